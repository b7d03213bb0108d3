"""The application: routes of every network, of the page, and about the server itself."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, Response

from cnncli import __version__
from cnncli.core.errors import CnncliError
from cnncli.deploy.server.answers import Json
from cnncli.deploy.server.bodies import Bodies, fault_line
from cnncli.deploy.server.endpoints import add_routes
from cnncli.deploy.server.guard import OPEN, Guard, Rules
from cnncli.deploy.server.limits import BODIES, Limits, Refused, Room
from cnncli.deploy.server.metrics import Metrics
from cnncli.deploy.server.models import Model, Threads
from cnncli.deploy.server.pages import add_page, docs_page


@dataclass
class Life:
    """Whether the server takes new work: not before its networks are there, nor while it ends."""

    ready: bool = False


def make_app(
    models: Sequence[Model], limits: Limits, page: Mapping[str, bytes], hosts: frozenset[str] | None = None,
    token: str | None = None, life: Life | None = None,
) -> Guard:  # fmt: skip
    """Everything that the server answers, behind its guard; the first network answers where none is named."""
    life, metrics, threads = life or Life(), Metrics(), Threads()
    app = FastAPI(
        title="cnncli serve", version=__version__, docs_url=None, redoc_url=None,
        lifespan=_lifespan(models, threads, metrics, life),
    )  # fmt: skip
    _explain_errors(app, metrics)
    bodies = Bodies(limits.max_bytes, Room(BODIES * limits.max_bytes, "bytes", "bodies"))
    for prefix, model in [("", models[0]), *((f"/models/{each.name}", each) for each in models)]:
        add_routes(app, prefix, model, threads, bodies)
        _describe(app, prefix, model, [each.name for each in models])
    _about_itself(app, models, metrics, life)
    files = add_page(app, page)
    return Guard(app, Rules(hosts, token, frozenset({*OPEN, *files})), limits.timeout, metrics)


def _lifespan(models: Sequence[Model], threads: Threads, metrics: Metrics, life: Life) -> Any:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        running = [task for model in models if (task := model.start(threads, metrics)) is not None]
        life.ready = True
        yield
        for task in running:
            task.cancel()
        threads.stop()

    return lifespan


def _describe(app: FastAPI, prefix: str, model: Model, names: list[str]) -> None:
    about = {"server": True, "models": names, "explains": getattr(model.answers, "explains", False)}

    @app.get(f"{prefix}/model.json", response_class=Json)
    async def described() -> Json:
        """Tell what the network takes and what it answers with."""
        return Json({**model.description, **about})


def _about_itself(app: FastAPI, models: Sequence[Model], metrics: Metrics, life: Life) -> None:
    @app.get("/healthz", response_class=Json)
    async def healthz() -> Json:
        """Tell that the server runs."""
        return Json({"status": "ok"})

    @app.get("/readyz", response_class=Json)
    async def readyz() -> Json:
        """Tell whether it takes requests: 503 while it starts and while it ends."""
        return Json({"ready": life.ready}, 200 if life.ready else 503)

    @app.get("/metrics", response_class=Response)
    async def measured() -> Response:
        """Counters for Prometheus."""
        for model in models:
            metrics.queue.labels(model.name).set(model.room.used)
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return docs_page(app)


def _explain_errors(app: FastAPI, metrics: Metrics) -> None:
    """Every failure is one line of JSON."""

    def refused(_request: Request, error: Any) -> Json:
        if isinstance(error, Refused):
            metrics.refused.labels(error.reason).inc()
        return Json.refusal(error)

    def of_http(_request: Request, error: Any) -> Json:
        return Json.error(error.status_code, str(error.detail), dict(error.headers or {}))

    def of_query(_request: Request, error: Any) -> Json:
        return Json.error(422, fault_line(error.errors()))

    def gone(_request: Request, _error: Any) -> Json:
        return Json.error(400, "the client has gone")

    def unexpected(_request: Request, _error: Any) -> Json:
        return Json.error(500, "the server failed; its log says why")

    for kind, handler in (
        (CnncliError, refused), (HTTPException, of_http), (RequestValidationError, of_query), (ClientDisconnect, gone),
        (Exception, unexpected),
    ):  # fmt: skip
        app.add_exception_handler(kind, handler)
