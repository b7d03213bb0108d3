"""The body of a request, read piece by piece and never longer than allowed, and what is in it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from cnncli.core.errors import one_line
from cnncli.core.printable import printable
from cnncli.deploy.server.limits import Refused, Room

MAX_JSON = 2**22  # bytes: as objects of Python's they are up to thirty times as large
MAX_NESTED = 50_000  # lists and objects in it
MAX_FIELDS = 16  # of a form, besides its files
LONGEST_NAME = 200  # characters of a file's name that are told back


@dataclass(frozen=True)
class File:
    """A file that was sent, by the name that the client gave it."""

    name: str
    content: bytes


class Bodies:
    """Reads bodies of at most ``most`` bytes; all that are read at once have ``room``."""

    def __init__(self, most: int, room: Room) -> None:
        self.most, self.room = most, room

    @contextmanager
    def reading(self, request: Request, most: int | None = None) -> Iterator["Body"]:
        """A body of at most ``most`` bytes, whose bytes count as held until the block ends."""
        body = Body(request, min(most or self.most, self.most), self.room)
        try:
            yield body
        finally:
            body.release()


class Body:
    """The body of one request; raises ``Refused`` for one that is too long, as soon as that is known."""

    def __init__(self, request: Request, most: int, room: Room) -> None:
        self.request, self.most, self.room, self.held = request, most, room, 0
        told = request.headers.get("content-length", "")
        if told.isdecimal() and int(told[:20]) > most:
            self._too_long()
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Refused(415, "compressed", "the body is compressed; send it as it is")

    def release(self) -> None:
        """Say that its bytes are not held any longer."""
        self.room.give(self.held)
        self.held = 0

    def _too_long(self) -> NoReturn:
        raise Refused(413, "too_large", f"the body is longer than {self.most:,} bytes; send less")

    @property
    def is_form(self) -> bool:
        """Whether the body is a form with files."""
        return self.request.headers.get("content-type", "").lower().startswith("multipart/form-data")

    async def _pieces(self) -> Any:
        async for piece in self.request.stream():
            if self.held + len(piece) > self.most:
                self._too_long()
            self.room.take(len(piece))
            self.held += len(piece)
            if piece:
                yield piece

    async def bytes(self) -> bytes:
        """All of it; raises ``Refused`` for an empty one."""
        content = bytearray()
        async for piece in self._pieces():
            content += piece
        if not content:
            raise Refused(422, "empty", "the body is empty")
        return bytes(content)

    async def files(self, most: int) -> list[File]:
        """The files of a form, at most so many; raises ``Refused`` for other fields, and where there is none."""
        parser = MultiPartParser(self.request.headers, self._pieces(), max_files=most, max_fields=MAX_FIELDS)
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise Refused(422, "form", f"the form cannot be read: {one_line(error.message)}") from error
        try:
            found = []
            for number, (name, value) in enumerate(form.multi_items(), 1):
                if not isinstance(value, UploadFile):
                    raise Refused(422, "form", f"the form's field '{_shown(name)}' is no file")
                found.append(File(_shown(value.filename or f"picture {number}"), await value.read()))
        finally:
            await form.close()
        if not found:
            raise Refused(422, "form", "the form holds no file; name its field files")
        return found


def _shown(name: str) -> str:
    """A client's name for a file, without folders and without what could steer a terminal."""
    return printable(name.replace("\\", "/").rpartition("/")[2])[:LONGEST_NAME]


def parse_json(content: bytes) -> dict[str, Any]:
    """The object in a body of JSON (RFC 8259, so without NaN); raises ``Refused`` for anything else."""
    if content.count(b"[") + content.count(b"{") > MAX_NESTED:
        raise Refused(413, "too_large", f"the JSON has more than {MAX_NESTED:,} lists and objects; send less")
    try:
        found = json.loads(content.decode("utf-8-sig"), parse_constant=_no_number)
    except RecursionError:
        raise Refused(422, "json", "the JSON is nested too deeply") from None
    except ValueError as error:
        raise Refused(422, "json", f"the body is no JSON: {_cause(error)}") from error
    if not isinstance(found, dict):
        raise Refused(422, "json", "the body must be a JSON object")
    _refuse_halves(content, found)
    return found


def _refuse_halves(content: bytes, found: dict[str, Any]) -> None:
    """Raise ``Refused`` for half a character (a lone surrogate), which JSON can write and nothing can keep."""
    if b"\\u" in content:
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise Refused(422, "json", "the body is no JSON: it holds half a character, such as \\ud800") from None


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON; write null")


def _cause(error: ValueError) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else one_line(str(error))


def checked(model: type[BaseModel], values: dict[str, Any]) -> Any:
    """An instance of ``model``; raises ``Refused`` with the first fault in one line."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise Refused(422, "json", fault_line(error.errors(include_url=False, include_input=False))) from None


def fault_line(faults: Any) -> str:
    """The first of pydantic's faults: where it is, and what it is."""
    first = faults[0]
    where = ".".join(str(part) for part in first["loc"])[:LONGEST_NAME]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    message = one_line(f"{where}: {first['msg']}" if where else first["msg"])
    return f"{message}{more}"
