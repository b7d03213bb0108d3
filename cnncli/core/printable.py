"""Names and texts of the user's on their way to a terminal, into JSON, and to standard output.

A file name on Linux is bytes, and need not be UTF-8. Python keeps a byte that is not as a lone surrogate, ``\\udcff``
for ``0xff``.
"""

import codecs
import json
import re
import unicodedata
from typing import Any

JOINERS = "\u200c\u200d"  # within words of Persian and Hindi, and within emojis
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_SUSPECT = re.compile(r"[^\x20-\x7e]")


def printable(text: str, keep: str = "") -> str:
    """``text`` in which what could steer a terminal is escaped, as ``\\x1b``; so is all that shows nothing itself.

    Of these characters those in ``keep`` stay.
    """
    return _SUSPECT.sub(lambda found: found[0] if found[0] in keep else _shown(found[0]), text)


def _shown(sign: str) -> str:
    return sign.encode("unicode_escape").decode() if unsafe(sign) else sign


def unsafe(sign: str) -> bool:
    """Whether a character controls a terminal, has no form of its own, or stands for a byte that is not UTF-8."""
    return unicodedata.category(sign) in _UNSAFE and sign not in JOINERS


def json_text(value: Any, indent: int | None) -> str:
    """``value`` as JSON, in one line without ``indent``, that every terminal, and every file in UTF-8, can take.

    Unsafe characters are ``\\uXXXX``.
    """
    return _SUSPECT.sub(_in_json, json.dumps(value, indent=indent, ensure_ascii=False))


def _in_json(found: re.Match[str]) -> str:
    sign = found[0]
    return json.dumps(sign)[1:-1] if unsafe(sign) and sign != "\n" else sign


def as_stored(error: UnicodeError) -> tuple[str | bytes, int]:
    """For what an encoding lacks: the byte that a lone surrogate stands for, a ``?`` for anything else."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    found = b"".join(bytes([ord(s) - 0xDC00]) if "\udc80" <= s <= "\udcff" else b"?" for s in signs)
    return found, error.end


codecs.register_error("as_stored", as_stored)
