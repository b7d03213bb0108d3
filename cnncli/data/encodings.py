"""Texts as bytes: UTF-8, UTF-16 by its mark, or what is said or found to be another encoding."""

import codecs
import re

from cnncli.core.errors import DataError
from cnncli.core.notices import notice

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8-sig",
}  # fmt: skip
_USUAL = [
    "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255",
    "cp1256", "cp1257", "koi8_r", "mac_roman",
]  # fmt: skip
_WORDS = 200_000  # bytes that are looked at
_FEW = 10  # different words that are too few to tell Chinese from Korean
ADVICE = "save it in UTF-8, or set dataset.encoding"


def decode(content: bytes, encoding: str | None, name: str) -> tuple[str, str]:
    """The text without its mark, and the encoding: a mark wins, then ``encoding``, UTF-8, and what is found.

    Says so with a notice where it had to be found. Raises ``DataError`` naming the line of a byte that fits nowhere.
    """
    told = marked(content) or encoding or "utf-8"
    try:
        return content.decode(told), told
    except LookupError as error:
        raise DataError(f"{name}: there is no encoding '{told}'; correct dataset.encoding") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        if told != "utf-8" or encoding is not None:
            raise DataError(f"{name}:{line}: cannot be read as {told}; correct dataset.encoding") from error
        found = None if _mostly_utf8(content) else detect(content)
        if found is None:
            raise DataError(f"{name}:{line}: is not UTF-8; {ADVICE}") from error
    notice("encoding", f"{name}: is not UTF-8, read as {found}; set dataset.encoding if that is wrong")
    return content.decode(found), found


def marked(content: bytes) -> str | None:
    """The encoding that a mark at the beginning tells."""
    return next((encoding for mark, encoding in _MARKS.items() if content.startswith(mark)), None)


def detect(content: bytes) -> str | None:
    """The likeliest encoding of bytes that are no UTF-8; None where none fits all of them."""
    from charset_normalizer import from_bytes

    if b"\0" in content:
        return None
    words = list(dict.fromkeys(re.findall(rb"[^\x00-\x20,;|\"]*[\x80-\xff][^\x00-\x20,;|\"]*", content)))
    found = from_bytes(b"\n".join(words)[:_WORDS], cp_isolation=_USUAL)
    best = found.best()
    as_good = [] if best is None else [one.encoding for one in found if one.coherence == best.coherence]
    order = [] if best is None else [best.encoding]
    if len(words) < _FEW and order and order[0] in ("euc_kr", "big5") and _common_chinese(words):
        order.insert(0, "gb18030")
    if not order or (order[0].startswith("cp125") and "cp1252" in as_good and _western(words)):
        order.insert(0, "cp1252")
    return next((encoding for encoding in (*order, "latin_1") if _fits(content, encoding)), None)


def _fits(content: bytes, encoding: str) -> bool:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return not any("\x7f" <= sign <= "\x9f" for sign in set(text))


def _western(words: list[bytes]) -> bool:
    """Whether all are words in Western Europe's encoding: letters, none large after a small one."""
    texts = [re.sub(r"[^\w]|\d", "", word.decode("cp1252", "replace")) for word in words]
    whole = all(sign.isalpha() or sign < "\x80" for word in words for sign in word.decode("cp1252", "replace"))
    return whole and all(text.isupper() or text[1:] == text[1:].lower() for text in texts)


def _common_chinese(words: list[bytes]) -> bool:
    """Whether every character is one of the 3,755 that GB 2312 calls common."""
    return all(re.fullmatch(rb"([\x00-\x7f]|[\xb0-\xd7][\xa1-\xfe])*", word) for word in words)


def _mostly_utf8(content: bytes) -> bool:
    """Whether it is UTF-8 with a few damaged places, rather than another encoding."""
    text = content.decode("utf-8", "replace")
    signs = sum(sign > "\x7f" for sign in text)
    return signs > 2 * text.count("�")
