"""The routes of one network."""

import asyncio

from fastapi import FastAPI, Query, Request
from torch import Tensor

from cnncli.deploy.server.answers import Json
from cnncli.deploy.server.bodies import MAX_JSON, Bodies, Body, File
from cnncli.deploy.server.guard import SEEN
from cnncli.deploy.server.limits import Refused
from cnncli.deploy.server.models import Model, Threads
from cnncli.deploy.server.pictures import MOST_CLASSES, PictureAnswers, record
from cnncli.deploy.server.rows import RowAnswers
from cnncli.deploy.server.schemas import explained_docs, predicted_docs
from cnncli.deploy.server.texts import MAX_BODY

MAX_FILES = 64  # of one request
UNNAMED = "picture"  # what a picture is called that is the whole body
TOP_K = Query(5, ge=1, le=MOST_CLASSES, description="How many of the most probable classes to name.")


def add_routes(app: FastAPI, prefix: str, model: Model, threads: Threads, bodies: Bodies) -> None:
    """Add what one network answers, below ``prefix``."""
    add = {"pictures": _add_pictures, "rows": _add_rows}.get(model.answers.kind, _add_jobs)
    add(app, prefix, model, threads, bodies)


class _Sending:
    """The pictures that a request sends: read, and decoded beside the event loop."""

    def __init__(self, model: Model, answers: PictureAnswers, threads: Threads) -> None:
        self.model, self.answers, self.threads = model, answers, threads

    async def files(self, body: Body, most: int) -> list[File]:
        """The body as one picture, or the files of a form."""
        most = min(most, self.model.room.size)
        sent = await body.files(most) if body.is_form else [File(UNNAMED, await body.bytes())]
        body.request.scope[SEEN].samples = len(sent)
        return sent

    async def decoded(self, sent: list[File], body: Body) -> list[Tensor | Refused]:
        """Each picture's pixels, or the reason why it has none; the body is not held any longer."""
        loop, found = asyncio.get_running_loop(), list[Tensor | Refused]()
        tasks = [loop.run_in_executor(self.threads.decoding, self.answers.decode, file) for file in sent]
        for each in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(each, BaseException) and not isinstance(each, Refused):
                raise each
            found.append(each)
        body.release()
        return found


def _add_pictures(app: FastAPI, prefix: str, model: Model, threads: Threads, bodies: Bodies) -> None:
    assert isinstance(model.answers, PictureAnswers)
    sending = _Sending(model, model.answers, threads)

    @app.post(f"{prefix}/predict", openapi_extra=predicted_docs(model), response_class=Json)
    async def predict(request: Request, top_k: int = TOP_K) -> Json:
        """Name the class of one picture, the body, or of several, the files of a form."""
        with bodies.reading(request) as body:
            sent = await sending.files(body, MAX_FILES)
            with model.room.taking(len(sent)):
                pixels = await sending.decoded(sent, body)
                good = [each for each in pixels if not isinstance(each, Refused)]
                found = iter(await model.batched(good))
        pairs = list(zip(sent, pixels, strict=True))
        errors = [(file.name, each) for file, each in pairs if isinstance(each, Refused)]
        if len(errors) == len(sent):
            raise _none_good(errors)
        records = [record(next(found), file.name, top_k) for file, each in pairs if not isinstance(each, Refused)]
        return Json({"predictions": records, "errors": [{"path": name, "error": str(each)} for name, each in errors]})

    if model.answers.explains:
        _add_explain(app, prefix, model, sending, bodies)


def _add_explain(app: FastAPI, prefix: str, model: Model, sending: _Sending, bodies: Bodies) -> None:
    answers, threads = sending.answers, sending.threads

    @app.post(f"{prefix}/explain", openapi_extra=explained_docs(model), response_class=Json)
    async def explain(request: Request, class_: str | None = Query(None, alias="class", max_length=300)) -> Json:
        """Show where one picture speaks for its answer, or for another class, by Grad-CAM."""
        number = answers.class_number(class_)
        with model.explaining.taking(1), bodies.reading(request) as body:
            sent = await sending.files(body, 1)
            (pixels,) = await sending.decoded(sent, body)
            if isinstance(pixels, Refused):
                raise _none_good([(sent[0].name, pixels)])
            loop = asyncio.get_running_loop()
            return Json(await loop.run_in_executor(threads.network, answers.explain, pixels, number))


def _none_good(errors: list[tuple[str, Refused]]) -> Refused:
    """What is said where none of the pictures can be read."""
    name, first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Refused(first.status, first.reason, f"{name}: {first}{more}")


def _add_rows(app: FastAPI, prefix: str, model: Model, threads: Threads, bodies: Bodies) -> None:
    answers = model.answers
    assert isinstance(answers, RowAnswers)

    @app.post(f"{prefix}/predict", openapi_extra=predicted_docs(model), response_class=Json)
    async def predict(request: Request) -> Json:
        """Predict the target of each row."""
        with bodies.reading(request, MAX_JSON) as body:
            content = await body.bytes()
            loop = asyncio.get_running_loop()
            samples, notes = await loop.run_in_executor(threads.decoding, answers.decode, content)
        request.scope[SEEN].samples = len(samples)
        with model.room.taking(len(samples)):
            found = await model.batched(samples)
        return Json({"predictions": found, **({"notes": notes} if notes else {})})


def _add_jobs(app: FastAPI, prefix: str, model: Model, threads: Threads, bodies: Bodies) -> None:
    most = MAX_BODY if model.answers.kind == "text" else MAX_JSON

    @app.post(f"{prefix}/predict", openapi_extra=predicted_docs(model), response_class=Json)
    async def predict(request: Request) -> Json:
        """Continue the series, or the text, that the body begins."""
        with bodies.reading(request, most) as body:
            content = await body.bytes()
            request.scope[SEEN].samples = 1
            return Json(await model.job(content, threads))
