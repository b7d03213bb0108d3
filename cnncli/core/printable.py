"""Names and texts of the user's on their way to a terminal, into JSON, and to standard output.

A file name on Linux is bytes, and need not be UTF-8. Python keeps a byte that is not as a lone surrogate, ``\\udcff``
for ``0xff``.
"""

import codecs
import json
import re
import shlex
import unicodedata
from typing import Any

JOINERS = "\u200c\u200d"  # within words of Persian and Hindi, and within emojis
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PLAIN_WORD = re.compile(r"(?!~)(?:[A-Za-z0-9@%+=:,./_~-]|[^\x00-\x7f\s])+")
_SUSPECT = re.compile(r"[^\x20-\x7e]")


def printable(text: str, keep: str = "") -> str:
    """``text`` in which what could steer a terminal is escaped, as ``\\x1b``; so is all that shows nothing itself.

    Of these characters those in ``keep`` stay.
    """
    return _SUSPECT.sub(lambda found: found[0] if found[0] in keep else _shown(found[0]), text)


def _shown(sign: str) -> str:
    if _is_byte(sign):
        return f"\\x{ord(sign) - 0xDC00:02x}"
    return sign.encode("unicode_escape").decode() if unsafe(sign) else sign


def unsafe(sign: str) -> bool:
    """Whether a character controls a terminal, has no form of its own, or stands for a byte that is not UTF-8."""
    return unicodedata.category(sign) in _UNSAFE and sign not in JOINERS


def shell_word(text: Any) -> str:
    """A path, or ``key=value``, as a word of a command that is to be typed: in quotes where a shell needs them."""
    text = str(text)
    return text if _PLAIN_WORD.fullmatch(text) else shlex.quote(text)


def json_text(value: Any, indent: int | None) -> str:
    """``value`` as JSON, in one line without ``indent``, that every terminal, and every file in UTF-8, can take.

    Unsafe characters are ``\\uXXXX``.
    """
    return _SUSPECT.sub(_in_json, json.dumps(value, indent=indent, ensure_ascii=False))


def _in_json(found: re.Match[str]) -> str:
    sign = found[0]
    return json.dumps(sign)[1:-1] if unsafe(sign) and sign != "\n" else sign


_PLAIN = {
    "×": "x", "…": "...", "–": "-", "—": "-", "‑": "-", "−": "-", "·": "-", "•": "*", "→": "->", "←": "<-", "±": "+/-",
    "≤": "<=", "≥": ">=", "≈": "~", "‘": "'", "’": "'", "“": '"', "”": '"', "µ": "u", "μ": "u", "²": "^2", "³": "^3",
    "─": "-", "━": "-", "│": "|", "┃": "|", "█": "#", "░": ".", "✓": "+", "✗": "x",
}  # fmt: skip


def can_show(stream: Any, text: str) -> bool:
    """Whether the encoding of ``stream`` has every sign of ``text``: ask it before drawing with ``█`` or Braille.

    A stream without an encoding, as one in memory has none, takes everything.
    """
    return _can_encode(getattr(stream, "encoding", None) or "utf-8", text)


def shown_on(stream: Any, text: str) -> str:
    """``text`` as ``stream`` will show it: to be asked before it is aligned, as what replaces a sign can be longer."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    if text.isascii() or _can_encode(encoding, text):
        return text
    return "".join(sign if _can_encode(encoding, sign) or _is_byte(sign) else plain(sign) for sign in text)


def plain(sign: str) -> str:
    """A character in ASCII: the ``x`` that ``×`` looks like, or ``\\u6606``, which no other character has."""
    return _PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode()


def _can_encode(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _is_byte(sign: str) -> bool:
    return "\udc80" <= sign <= "\udcff"


def json_on(stream: Any, text: str) -> str:
    """``text``, which is JSON, with all that ``stream`` lacks as ``\\uXXXX``: whoever reads it gets the same values."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    if text.isascii() or _can_encode(encoding, text):
        return text
    return "".join(sign if _can_encode(encoding, sign) else json.dumps(sign)[1:-1] for sign in text)


def as_stored(error: UnicodeError) -> tuple[str | bytes, int]:
    """For what an encoding lacks: the byte that a lone surrogate stands for, and anything else in ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs, end = error.object[error.start : error.end], error.start
    for sign in signs:
        if _is_byte(sign) != _is_byte(signs[0]):
            break
        end += 1
    found = signs[: end - error.start]
    if _is_byte(found[0]):
        return bytes(ord(sign) - 0xDC00 for sign in found), end
    return "".join(map(plain, found)), end


codecs.register_error("as_stored", as_stored)
