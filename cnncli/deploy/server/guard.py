"""What stands before all routes: who may ask, how long it may take, and what is written down about it."""

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cnncli.deploy.server.answers import Json
from cnncli.deploy.server.limits import Refused
from cnncli.deploy.server.metrics import OTHER, Metrics

LOOPBACK = ("localhost", "127.0.0.1", "::1")
OPEN = ("/", "/healthz", "/readyz")  # without a token: the page and its files, and whether the server is there
SEEN = "cnncli.seen"  # the key in a request's scope
LONGEST = 300  # characters of a path in the log
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass
class Seen:
    """What a route says about a request for the log."""

    samples: int = 0


@dataclass(frozen=True)
class Rules:
    """Who may ask: ``hosts`` that requests may name (None: any), the ``token`` if one is needed, and paths without."""

    hosts: frozenset[str] | None
    token: str | None
    open: Collection[str] = OPEN

    def refusal(self, path: str, headers: Headers) -> Refused | None:
        """Why a request may not be answered; None where it may."""
        host = _host(f"//{headers.get('host', '')}")
        if self.hosts is not None and host not in self.hosts:
            # a page elsewhere whose own name leads here (DNS rebinding) says its own name
            return Refused(421, "host", "this server has another name; set --allow-host if it is reached by this one")
        origin = headers.get("origin")
        if origin is not None and urlsplit_netloc(origin) != headers.get("host", "").lower():
            return Refused(403, "origin", "pages of other servers may not ask this one")
        if self.token is None or path in self.open:
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        fits = secrets.compare_digest(given.strip().encode(), self.token.encode())
        if scheme.lower() != "bearer" or not fits:
            return Refused(401, "token", "send the token: Authorization: Bearer TOKEN")
        return None


def _host(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""


def urlsplit_netloc(address: str) -> str:
    """The host and port that an origin names; empty for what is no address."""
    try:
        return urlsplit(address).netloc.lower()
    except ValueError:
        return ""


class Guard:
    """Wraps an application: refuses, ends what takes too long, adds headers, counts, and writes a line of JSON."""

    def __init__(
        self, app: ASGIApp, rules: Rules, timeout: float, metrics: Metrics, write: Callable[[str], Any] | None = None
    ) -> None:
        self.app, self.rules, self.timeout, self.metrics = app, rules, timeout, metrics
        self.write = write or sys.stderr.write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0
        seen = scope[SEEN] = Seen()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        try:
            refusal = self.rules.refusal(scope["path"], Headers(scope=scope))
            if refusal is not None:
                self.metrics.refused.labels(refusal.reason).inc()
                await Json.refusal(refusal)(scope, receive, answer)
                return
            async with asyncio.timeout(self.timeout):
                await self.app(scope, receive, answer)
        except TimeoutError:
            self.metrics.refused.labels("timeout").inc()
            if not status:
                late = Refused(504, "timeout", f"no answer within {self.timeout:g} seconds; send less, or later")
                await Json.refusal(late)(scope, receive, answer)
        finally:
            self._tell(scope, status, time.perf_counter() - start, seen)

    def _tell(self, scope: Scope, status: int, seconds: float, seen: Seen) -> None:
        route = getattr(scope.get("route"), "path", OTHER)
        self.metrics.answered(scope["method"], route, status, seconds)
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "method": scope["method"][:20],
            "path": scope["path"][:LONGEST],
            "status": status,
            "ms": round(1000 * seconds, 1),
            "samples": seen.samples,
        }
        self.write(json.dumps(line) + "\n")
