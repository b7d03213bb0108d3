"""Answers in JSON, in one line that every client can read."""

import math
from typing import Any

from starlette.responses import JSONResponse

from cnncli.core.errors import CnncliError, ConfigError, DataError, one_line
from cnncli.core.printable import json_text
from cnncli.deploy.server.limits import RETRY_AFTER, Refused


class Json(JSONResponse):
    """A value as one line of JSON; numbers that JSON does not know (NaN, infinity) are null."""

    def render(self, content: Any) -> bytes:
        """The bytes that are sent."""
        text = json_text(content, indent=None)
        if "NaN" in text or "Infinity" in text:
            text = json_text(_finite(content), indent=None)
        return f"{text}\n".encode()

    @classmethod
    def refusal(cls, error: CnncliError) -> "Json":
        """An error as an answer: its status, and its first line under ``error``."""
        status = (
            error.status if isinstance(error, Refused) else 422 if isinstance(error, ConfigError | DataError) else 500
        )
        headers = {503: {"retry-after": str(RETRY_AFTER)}, 401: {"www-authenticate": "Bearer"}}.get(status, {})
        return cls.error(status, error.lines()[0], headers)

    @classmethod
    def error(cls, status: int, message: str, headers: dict[str, str] | None = None) -> "Json":
        """An error in one line."""
        return cls({"error": one_line(message)}, status, headers)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
