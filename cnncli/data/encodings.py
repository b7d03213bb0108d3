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
_CYRILLIC = ("cp1251", "koi8_r")  # one has small letters where the other has capitals
_WORDS = 200_000  # bytes that are looked at
_FEW = 10  # different words that are too few to tell Chinese from Korean
_HEAD = 2**16  # bytes in which a NUL is looked for
ADVICE = "save it in UTF-8, or set dataset.encoding"


def decode(content: bytes, encoding: str | None, name: str) -> str:
    """The text without its mark, in the encoding of its mark, else in ``encoding``, else UTF-8, else what is found.

    Says so with a notice where it had to be found. Raises ``DataError`` naming the line of a byte that fits nowhere.
    """
    mark = marked(content)
    told = mark or encoding or "utf-8"
    if mark is None and encoding is None:
        require_text(content[:_HEAD], name)
    try:
        return content.decode(told)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        if mark is not None:
            cause = f"cannot be read as {mark.removesuffix('-sig')}, as the mark at its beginning says"
            raise DataError(f"{name}:{line}: {cause}; save it again") from error
        if encoding is not None:
            raise DataError(f"{name}:{line}: cannot be read as {told}; correct dataset.encoding") from error
        found = None if _mostly_utf8(content) else detect(content)
        if found is None:
            raise DataError(f"{name}:{line}: is not UTF-8; {ADVICE}") from error
    except (LookupError, ValueError) as error:  # a name with a NUL is a ValueError
        raise DataError(f"{name}: there is no encoding '{told}'; correct dataset.encoding") from error
    text = content.decode(found)
    word = next((word for word in re.split(r"[\W_]+", text) if not word.isascii()), text)[:20]
    notice("encoding", f"{name}: is not UTF-8, read as {found} ('{word}'); set dataset.encoding if that is wrong")
    return text


def require_text(head: bytes, name: str) -> None:
    """Raise ``DataError`` where the first bytes hold a NUL: text without a mark has them in UTF-16 only."""
    if b"\0" not in head:
        return
    advice = "name a text file"
    if len(head) % 2 == 0:
        wide = "utf-16-le" if head[1::2].count(0) >= head[::2].count(0) else "utf-16-be"  # high halves are zeros
        if (wide == "utf-16-le") == (0 not in head[:1]) and _fits(head, wide):
            advice = f"if it is text, set dataset.encoding: {wide}"
    raise DataError(f"{name}: holds NUL bytes, as files that are no text do; {advice}")


def marked(content: bytes) -> str | None:
    """The encoding that a mark at the beginning tells."""
    return next((encoding for mark, encoding in _MARKS.items() if content.startswith(mark)), None)


def detect(content: bytes) -> str | None:
    """The likeliest encoding of bytes that are no UTF-8; None where none fits all of them."""
    from charset_normalizer import from_bytes

    if b"\0" in content:
        return None
    words = list(dict.fromkeys(re.findall(rb"[^\x00-\x20,;\"]*[\x80-\xff][^\x00-\x20,;\"]*", content)))
    found = from_bytes(b"\n".join(words)[:_WORDS], cp_isolation=_USUAL)
    best = found.best()
    as_good = [] if best is None else [one.encoding for one in found if one.coherence == best.coherence]
    order = [] if best is None else [best.encoding]
    if len(words) < _FEW and order and order[0] in ("euc_kr", "big5") and _common_chinese(words):
        order.insert(0, "gb18030")
    if order and order[0] in _CYRILLIC:
        order = sorted(_CYRILLIC, key=lambda encoding: (_odd_case(words, encoding), encoding != order[0]))
    if order and order[0] in ("cp1250", "cp1252", "cp1257") and _turkish(words):
        order.insert(0, "cp1254")
    elif not order or _rather_western(words, order[0], "cp1252" in as_good):
        order.insert(0, "cp1252")
    return next((encoding for encoding in (*order, "latin_1") if _fits(content, encoding)), None)


def _fits(content: bytes, encoding: str) -> bool:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return not any("\x7f" <= sign <= "\x9f" for sign in set(text))


def _rather_western(words: list[bytes], best: str, as_good: bool) -> bool:
    """Whether Western Europe's encoding is likelier than ``best``: as good, the same text, or accents one by one."""
    if best.startswith("cp125"):
        text = b"\n".join(words)
        return (as_good and _western(words)) or text.decode(best, "replace") == text.decode("cp1252", "replace")
    # a character of two bytes would be ö and l in Köln
    return all(re.fullmatch(rb"([\x00-\x7f]|[\xc0-\xff](?![\x80-\xff]))*", word) for word in words) and _western(words)


def _western(words: list[bytes]) -> bool:
    """Whether all are words in Western Europe's encoding: letters as its languages use them, small after large."""
    texts = [word.decode("cp1252", "replace") for word in words]
    whole = all(sign.isalpha() or sign < "\x80" for text in texts for sign in text)
    odd = re.search(r"[ìòù][^\W\d_]|õ(?!e)", "\n".join(texts))  # Plzeň and Győr, read in the wrong encoding
    return whole and not odd and not _odd_case(words, "cp1252")


def _odd_case(words: list[bytes], encoding: str) -> int:
    """How many words have a capital after a small letter."""
    parts = [part for word in words for part in re.split(r"[\W\d_]+", word.decode(encoding, "replace")) if part]
    return sum(not part.isupper() and part[1:] != part[1:].lower() for part in parts)


def _turkish(words: list[bytes]) -> bool:
    """Whether ş or ğ, which Western Europe's encoding has Icelandic letters for, is beside ç or ü."""
    text = b" ".join(words).decode("cp1252", "replace")
    return re.search("[þðÞÐ]", text) is not None and re.search("[çüÇÜ]", text) is not None


def _common_chinese(words: list[bytes]) -> bool:
    """Whether every character is one of the 3,755 that GB 2312 calls common, and some are no syllables of Korean."""
    if not all(re.fullmatch(rb"([\x00-\x7f]|[\xb0-\xd7][\xa1-\xfe])*", word) for word in words):
        return False
    signs = {sign for word in words for sign in re.findall(rb"[\xb0-\xd7][\xa1-\xfe]", word)}
    return len(signs) < 4 or any(sign[0] > 0xC8 for sign in signs)


def _mostly_utf8(content: bytes) -> bool:
    """Whether it is UTF-8 with a few damaged places, rather than another encoding."""
    text = content.decode("utf-8", "replace")
    signs = sum(sign > "\x7f" for sign in text)
    return signs > 2 * text.count("�")
