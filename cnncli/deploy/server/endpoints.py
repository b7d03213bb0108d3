"""The routes of one network."""

import asyncio
from typing import Any

from fastapi import FastAPI, Query, Request

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


def _add_pictures(app: FastAPI, prefix: str, model: Model, threads: Threads, bodies: Bodies) -> None:
    answers = model.answers
    assert isinstance(answers, PictureAnswers)
    loop = asyncio.get_running_loop

    async def files(body: Body, most: int) -> list[File]:
        most = min(most, model.room.size)
        sent = await body.files(most) if body.is_form else [File(UNNAMED, await body.bytes())]
        body.request.scope[SEEN].samples = len(sent)
        return sent

    async def decoded(sent: list[File], body: Body) -> list[Any]:
        """Each picture's pixels, or the reason why it has none; the body is not held any longer."""
        tasks = [loop().run_in_executor(threads.decoding, answers.decode, file) for file in sent]
        found = await asyncio.gather(*tasks, return_exceptions=True)
        body.release()
        for each in found:
            if isinstance(each, BaseException) and not isinstance(each, Refused):
                raise each
        return found

    @app.post(f"{prefix}/predict", openapi_extra=predicted_docs(model), response_class=Json)
    async def predict(request: Request, top_k: int = TOP_K) -> Json:
        """Name the class of one picture, the body, or of several, the files of a form."""
        with bodies.reading(request) as body:
            sent = await files(body, MAX_FILES)
            with model.room.taking(len(sent)):
                pixels = await decoded(sent, body)
                good = [each for each in pixels if not isinstance(each, Refused)]
                found = iter(await model.batched(good))
        records, errors = [], []
        for file, each in zip(sent, pixels, strict=True):
            if isinstance(each, Refused):
                errors.append((file.name, each))
            else:
                records.append(record(next(found), file.name, top_k))
        if not records:
            raise _none_good(errors)
        return Json({"predictions": records, "errors": [{"path": name, "error": str(each)} for name, each in errors]})

    if not answers.explains:
        return

    @app.post(f"{prefix}/explain", openapi_extra=explained_docs(model), response_class=Json)
    async def explain(request: Request, class_: str | None = Query(None, alias="class", max_length=300)) -> Json:
        """Show where one picture speaks for its answer, or for another class, by Grad-CAM."""
        number = answers.class_number(class_)
        with model.explaining.taking(1), bodies.reading(request) as body:
            sent = await files(body, 1)
            (pixels,) = await decoded(sent, body)
            if isinstance(pixels, Refused):
                raise _none_good([(sent[0].name, pixels)])
            return Json(await loop().run_in_executor(threads.network, answers.explain, pixels, number))


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
