"""What OpenAPI says about the routes of a network: what is sent, what comes back, with an example of both."""

from typing import Any

from pydantic import BaseModel

from cnncli.deploy.server.models import Model
from cnncli.deploy.server.rows import RowsAsked
from cnncli.deploy.server.series import SeriesAsked
from cnncli.deploy.server.texts import TextAsked

Docs = dict[str, Any]
ASKED: dict[str, type[BaseModel]] = {"rows": RowsAsked, "series": SeriesAsked, "text": TextAsked}
REFUSED = {
    401: "The token is missing or wrong.", 413: "More bytes, pixels or rows than one request may have.",
    422: "What was sent cannot be answered for; the error says why.", 503: "The queue is full; try again.",
    504: "There was no answer in time.",
}  # fmt: skip
BINARY = {"type": "string", "format": "binary"}


def predicted_docs(model: Model) -> Docs:
    """Of the route that predicts."""
    asked, answered = examples(model)
    kind = model.answers.kind
    body = _pictures(several=True) if kind == "pictures" else _json(ASKED[kind].model_json_schema(), asked)
    return {"requestBody": {"required": True, "content": body}, "responses": _responses(answered)}


def explained_docs(model: Model) -> Docs:
    """Of the route that explains."""
    name = model.description["classes"][0] if model.description["classes"] else ""
    answered = {"class": name, "probability": 0.98, "map": "data:image/png;base64,…"}
    body = {"required": True, "content": _pictures(several=False)}
    return {"requestBody": body, "responses": _responses(answered)}


def examples(model: Model) -> tuple[Any, Any]:
    """What can be sent to a network, in JSON (None for pictures), and how the answer looks."""
    about = model.description
    make = {"pictures": _of_pictures, "rows": _of_rows, "series": _of_series, "text": _of_text}
    return make[model.answers.kind](about)


def _of_pictures(about: Docs) -> tuple[Any, Any]:
    if not about["classes"]:
        return None, {"predictions": [{"path": "one.jpg", "prediction": 1.5}], "errors": []}
    name = about["classes"][0]
    top = [{"class": name, "probability": 0.98}]
    answer = {"path": "one.jpg", "prediction": name, "probability": 0.98, "top": top}
    return None, {"predictions": [answer], "errors": [{"path": "two.jpg", "error": "cannot be read as a picture (…)"}]}


def _of_rows(about: Docs) -> tuple[Any, Any]:
    row = {each["name"]: _cell(each) for each in about["columns"]}
    if not about["classes"]:
        return {"rows": [row]}, {"predictions": [{"prediction": 1.5}]}
    name = about["classes"][0]
    return {"rows": [row]}, {"predictions": [{"prediction": name, f"probability_{name}": 0.98}]}


def _cell(column: Docs) -> Any:
    if column["kind"] == "number":
        return float(f"{column['mean']:.3g}")
    return column["categories"][0] if column["categories"] else "2026-01-31"


def _of_series(about: Docs) -> tuple[Any, Any]:
    series = about["series"]
    step = dict.fromkeys(series["columns"], 1.0)
    forecast = {"step": 1, **dict.fromkeys(series["targets"], 1.0)}
    return {"series": [step, step, step], "steps": 2}, {"forecast": [forecast], "targets": series["targets"]}


def _of_text(_about: Docs) -> tuple[Any, Any]:
    return {"prompt": "To be", "length": 5}, {"text": " or n"}


def _pictures(several: bool) -> Docs:
    """One picture as the body, or as files of a form."""
    files: Docs = {"type": "array", "items": BINARY} if several else BINARY
    form = {"type": "object", "required": ["files"], "properties": {"files": files}}
    raw = {name: {"schema": BINARY} for name in ("image/jpeg", "image/png", "application/octet-stream")}
    return {"multipart/form-data": {"schema": form}, **raw}


def _json(schema: Docs, example: Any) -> Docs:
    return {"application/json": {"schema": schema, "example": example}}


def _responses(example: Any) -> Docs:
    error = _json({"type": "object", "properties": {"error": {"type": "string"}}}, {"error": "why"})
    refused = {str(status): {"description": text, "content": error} for status, text in REFUSED.items()}
    good = {"description": "The answer.", "content": _json({"type": "object"}, example)}
    return {"200": good, **refused}
