"""What an output without the signs of a text shows instead."""

import io
import json

import pytest

from cnncli.core.printable import can_show, json_on, json_text, shown_on


def stream(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="as_stored", newline="")


CASES = [
    ("utf-8", "昆蟲 × Ünï", "昆蟲 × Ünï"),
    ("cp936", "昆蟲 × ün", "昆蟲 × ün"),
    ("cp936", "حشرة", r"\u062d\u0634\u0631\u0629"),
    ("cp1252", "3 × 4 … ≤ 5", "3 × 4 … <= 5"),
    ("cp1252", "昆/Ü", r"\u6606/Ü"),
    ("ascii", "3 × 4 … → ⠿ █", r"3 x 4 ... -> \u283f #"),
    ("ascii", "🐈", r"\U0001f408"),
    ("latin-1", "a\udcffb昆", "a\udcffb\\u6606"),
]


@pytest.mark.parametrize(("encoding", "text", "shown"), CASES)
def test_what_an_encoding_lacks_is_shown_in_ascii(encoding: str, text: str, shown: str) -> None:
    target = stream(encoding)
    assert shown_on(target, text) == shown
    target.write(text)
    target.flush()
    assert isinstance(target.buffer, io.BytesIO)
    assert target.buffer.getvalue() == shown.encode(encoding, "surrogateescape")


def test_a_stream_can_be_asked_what_it_can_show() -> None:
    assert can_show(stream("utf-8"), "█⠿昆")
    assert can_show(stream("cp936"), "─昆")
    assert not can_show(stream("cp936"), "⠿")
    assert not can_show(stream("cp1252"), "─")
    assert can_show(io.StringIO(), "⠿")
    assert not can_show(stream("ascii"), "\udcff█")


@pytest.mark.parametrize("encoding", ["utf-8", "cp936", "cp1252", "ascii"])
def test_json_loses_nothing_in_any_encoding(encoding: str) -> None:
    value = {"昆蟲 ×": ["حشرة", "🐈", "…", "é"]}
    target = stream(encoding)
    target.write(json_on(target, json_text(value, indent=1)))
    target.flush()
    assert isinstance(target.buffer, io.BytesIO)
    assert json.loads(target.buffer.getvalue().decode(encoding)) == value
