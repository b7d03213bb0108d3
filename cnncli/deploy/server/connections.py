"""HTTP connections that nobody can hold for nothing, and an end that loses no request."""

import asyncio
import json
import logging
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from cnncli.deploy.server.app import Life

IDLE = 10.0  # seconds that a connection may take for the head of a request, or to send what nobody reads any more
MOST = 512  # connections
SLOWEST = 120.0  # seconds that a request may take at most, with its answer on the way
DRAIN = 0.5  # seconds in which a server that ends still takes what was on its way


class Connection(H11Protocol):
    """uvicorn's connection, closed when no request comes in time; while the server ends it waits a moment for one."""

    _deadline: asyncio.TimerHandle | None = None
    _busy = False

    def connection_made(self, transport: Any) -> None:
        """Start the clock."""
        super().connection_made(transport)
        self._set_deadline(IDLE)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop it."""
        self._set_deadline(None)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Give a request that has begun the time of a request."""
        super().handle_events()
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy and not self._busy:
            self._set_deadline(SLOWEST)
        self._busy = busy

    def on_response_complete(self) -> None:
        """Give the next request, or what is left of this one, the time of an idle connection."""
        self._busy = False
        self._set_deadline(IDLE)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in JSON as everything is refused."""
        content = json.dumps({"error": f"this is no HTTP that is understood ({msg.rstrip('.')})"}).encode() + b"\n"
        headers = [("content-type", "application/json"), ("content-length", str(len(content))), ("connection", "close")]
        for event in (h11.Response(status_code=400, headers=headers), h11.Data(content), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def shutdown(self) -> None:
        """Close as soon as the request that is being answered, or is on its way, has its answer."""
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(DRAIN, self._close_idle)
        else:
            self.cycle.keep_alive = False

    def _close_idle(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()

    def _set_deadline(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)


class Server(uvicorn.Server):
    """uvicorn's server: says when it listens, and takes what is on its way before it ends."""

    def __init__(self, config: uvicorn.Config, life: Life, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self.life, self.listening = life, listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self.listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell load balancers, take what has arrived in the meantime, and end."""
        self.life.ready = False
        await asyncio.sleep(DRAIN)
        await super().shutdown(sockets)


class JsonLines(logging.Formatter):
    """A record of uvicorn's as a line of JSON; a traceback is one text in it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "level": record.levelname.lower(), "message": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_in_json() -> None:
    """Let uvicorn tell warnings and errors in JSON on standard error."""
    logger, handler = logging.getLogger("uvicorn.error"), logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.WARNING)
