"""What a run can be called: anything that is a folder on Linux, macOS and Windows, so that runs can be moved.

Names are kept in Unicode's form NFC: an ``é`` of two characters, as macOS writes it, and one of a single character
are the same name.
"""

import re
import unicodedata

LONGEST_PART = 255  # bytes of a folder's name: what ext4, APFS and NTFS take
LONGEST = 1000  # bytes of all of it: paths end at 1,024 on macOS and at 4,096 on Linux
_FORBIDDEN = '<>:"\\|?*'
NAME_PATTERN = r"""^[^<>:"\\|?*\u0000-\u001f]+$"""
"""The part of the rules that an editor can check."""
_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³]) *(\..*)?", re.IGNORECASE)
_SHAPING = "\u200c\u200d"  # within words of Persian and Hindi, and within emojis
_FLAGS = range(0xE0020, 0xE0080)  # invisible letters within the flags of England, Scotland and Wales
_UNPLAIN = re.compile(r"([^A-Za-z0-9._\-\u0080-\U0010ffff]|\s)+")
_INVISIBLE = {"Cc": "a control character", "Cf": "an invisible character", "Zl": "a line break", "Zp": "a line break",
              "Cs": "no character but a byte that is not UTF-8"}  # fmt: skip


def checked_name(name: str) -> str:
    """``name`` in NFC, where ``/`` divides groups; raises ``ValueError`` with what is wrong and what to do."""
    name = unicodedata.normalize("NFC", name)
    if not name:
        raise ValueError("is empty; give a name")
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST:
        raise ValueError(f"has more than {LONGEST} bytes; choose a shorter name")
    for part in name.split("/"):
        _check_part(part)
    return name


def _check_part(part: str) -> None:
    """Raise ``ValueError`` where ``part`` cannot be the name of a folder everywhere."""
    if not part:
        raise ValueError("has a '/' with nothing before or after it; '/' divides groups, as in insects/first")
    if part in (".", ".."):
        raise ValueError(f"holds '{part}', which means another folder; leave it out")
    for sign in part:
        if sign in _FORBIDDEN:
            raise ValueError(f"holds '{sign}', which Windows forbids in names; take it out")
        if (about := _invisible(sign)) is not None:
            raise ValueError(f"holds U+{ord(sign):04X}, {about}; take it out")
    if part[0].isspace() or part[-1].isspace():
        raise ValueError(f"has a space at the {'start' if part[0].isspace() else 'end'} of '{part}'; take it out")
    if part.endswith("."):
        raise ValueError(f"has a '.' at the end of '{part}', which Windows drops; take it out")
    if _RESERVED.fullmatch(part):
        raise ValueError(f"holds '{part}', which is a device on Windows; write run-{part}")
    if len(part.encode()) > LONGEST_PART:
        size = len(part.encode())
        raise ValueError(f"has {size} bytes, and the name of a folder has at most {LONGEST_PART}; choose a shorter one")


def _invisible(sign: str) -> str | None:
    """What a character is that nobody sees; None for all others, also those of a newer Unicode than Python knows."""
    if sign in _SHAPING or ord(sign) in _FLAGS:
        return None
    if ord(sign) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(sign) <= 0xFDEF:
        return "no character of Unicode"
    return _INVISIBLE.get(unicodedata.category(sign))


def name_of_file(stem: str) -> str:
    """The name of a run whose config file is called ``stem``: what needs quotes in a shell is a ``-`` in it."""
    name = _shortened(_plain(stem).lstrip("._-")).rstrip(".")
    if not name:
        return "run"
    return f"run-{name}" if _RESERVED.fullmatch(name) else name


def plain_name(text: str) -> str:
    """``text`` as a part of a name: a ``-`` for what needs quotes in a shell, none at its ends."""
    return _plain(text).strip("-")


def _plain(text: str) -> str:
    visible = "".join(" " if _invisible(sign) else sign for sign in unicodedata.normalize("NFC", text))
    return _UNPLAIN.sub("-", visible)


def _shortened(name: str) -> str:
    """``name`` with at most 200 bytes, no character cut from the marks on it."""
    if len(name.encode()) <= 200:
        return name
    end = len(name.encode()[:200].decode(errors="ignore"))
    while end and (_joined(name[end]) or name[end - 1] in _SHAPING):
        end -= 1
    return name[:end]


def _joined(sign: str) -> bool:
    """Whether a character belongs to the one before it."""
    return unicodedata.category(sign).startswith("M") or sign in _SHAPING
