"""The pages of a server: its files as they are, and what can be asked, in words."""

import hashlib
import json
import mimetypes
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

INDEX = "index.html"
PIECE = 2**16  # bytes that are handed over at a time: a slow reader has no copy of a large file in memory
TYPES = {".js": "text/javascript", ".wasm": "application/wasm", ".webmanifest": "application/manifest+json"}


def add_page(app: FastAPI, files: Mapping[str, bytes]) -> list[str]:
    """Serve these files by their paths, and ``index.html`` at ``/``; the paths. Nothing else is served."""
    for name, content in files.items():
        _add_file(app, f"/{name}", content)
    _add_file(app, "/", files[INDEX], name=INDEX)
    return ["/", *(f"/{name}" for name in files)]


def _add_file(app: FastAPI, path: str, content: bytes, name: str = "") -> None:
    suffix = f".{(name or path).rpartition('.')[2]}"
    media = TYPES.get(suffix) or mimetypes.guess_type(f"file{suffix}")[0] or "application/octet-stream"
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "no-cache", "content-length": str(len(content))}

    async def file(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        if request.method == "HEAD":
            return Response(headers=headers, media_type=media)
        return StreamingResponse(_pieces(content), headers=headers, media_type=media)

    app.add_api_route(path, file, methods=["GET", "HEAD"], include_in_schema=False)


def _pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]


def docs_page(app: FastAPI) -> HTMLResponse:
    """What OpenAPI says, as a page that loads nothing from elsewhere."""
    parts = []
    for path, methods in app.openapi()["paths"].items():
        for method, about in methods.items():
            parts.append(f"<h2>{method.upper()} {escape(path)}</h2><p>{escape(about.get('description', ''))}</p>")
            parts.append(_sent(path, about.get("requestBody", {}).get("content", {})))
            answered = about["responses"].get("200", {}).get("content", {}).get("application/json", {})
            if "example" in answered:
                parts.append(f"<p>It answers:</p>{_code(answered['example'])}")
    head = "<p>For programs: <a href='/openapi.json'>/openapi.json</a>.</p>"
    return HTMLResponse(_html("What can be asked", f"<h1>What can be asked</h1>{head}{''.join(parts)}"))


def _sent(path: str, content: Mapping[str, Any]) -> str:
    if "multipart/form-data" in content:
        return f"<pre>curl -F files=@one.jpg http://localhost:8000{escape(path)}</pre>"
    if "application/json" in content:
        return f"<p>Send JSON, for example:</p>{_code(content['application/json'].get('example'))}"
    return ""


def _code(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=1, ensure_ascii=False))}</pre>"


def _html(title: str, body: str) -> str:
    head = "<meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
    return f"<!doctype html><html lang='en'><head>{head}<title>{escape(title)}</title></head><body>{body}</body></html>"
