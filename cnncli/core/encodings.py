"""How the bytes of a text file become characters: by the mark at their beginning, as told, as UTF-8, or as detected."""

import codecs
import re

from cnncli.core.errors import ConfigError, DataError
from cnncli.core.notices import notice

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CANDIDATES = [
    "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255",
    "cp1256", "koi8_r",
]  # fmt: skip
SAMPLE = 2**16  # bytes that the detector sees
CHUNK = 2**22


def decode_bytes(data: bytes, name: str, encoding: str | None = None) -> str:
    """``data`` as text without its mark; see ``detect_encoding``, which chooses how and raises what is wrong."""
    return data.decode(detect_encoding(data, name, encoding))


def detect_encoding(data: bytes, name: str, encoding: str | None = None) -> str:
    """The name of the codec that reads all of ``data``, those of a file called ``name``.

    A mark (UTF-8, UTF-16, UTF-32) decides; then ``encoding``, the config's; then UTF-8; then charset-normalizer, and a
    notice names what it found. Raises ``DataError`` for data that are no text, and ``ConfigError`` for an
    ``encoding`` that Python does not know.
    """
    marked = next((codec for mark, codec in MARKS if data.startswith(mark)), None)
    chosen = marked or (None if encoding is None else _known(encoding))
    if chosen is not None:
        if (wrong := _first_wrong(data, chosen)) is None:
            return chosen
        told = "its mark says" if marked else "dataset.encoding says"
        raise DataError(
            f"{name}: byte {wrong} is not {encoding if marked is None else chosen.removesuffix('-sig')}, as {told}; "
            + ("save it again" if marked else "name the encoding that it was saved in, or leave the key out")
        )
    if (wrong := _first_wrong(data, "utf-8")) is None and b"\0" not in data[:SAMPLE]:
        return "utf-8"
    if b"\0" in data[:SAMPLE]:
        raise DataError(
            f"{name}: is not UTF-8 text: byte {data.index(0)} is 0, as in files that are no text; "
            + (f"if it is text, set dataset.encoding: {_wide(data)}" if len(data) % 2 == 0 else "name a text file")
        )
    assert wrong is not None
    found = _detected(data, wrong)
    if found is None:
        raise DataError(f"{name}: is not UTF-8 text (byte {wrong}); set dataset.encoding, such as cp1252 or gb18030")
    word = _shown(data, wrong, found)
    notice("encoding", f"{name}: is not UTF-8, read as {found} ('{word}'); if that is wrong, set dataset.encoding")
    return found


def _known(encoding: str) -> str:
    """The codec's own name; a mark that UTF-8 may have is no character."""
    try:
        known = codecs.lookup(encoding).name
        "".encode(known)  # or it is a codec of bytes, such as zip
    except (LookupError, ValueError) as error:
        raise ConfigError(
            f"dataset.encoding: '{encoding}' is no encoding; such as utf-8, utf-16, cp1252 or gb18030"
        ) from error
    return known


def _first_wrong(data: bytes, codec: str) -> int | None:
    """The position of the first byte that ``codec`` cannot read, None where it reads them all."""
    if codec == "utf-8" and data.isascii():
        return None
    decoder = codecs.getincrementaldecoder(codec)()
    kept = 0
    for begin in range(0, len(data), CHUNK):  # never the whole as text: it may be a large table
        try:
            decoder.decode(data[begin : begin + CHUNK], final=begin + CHUNK >= len(data))
        except UnicodeDecodeError as error:
            unseen = len(codecs.BOM_UTF8) if codec == "utf-8-sig" and begin == 0 else 0
            return begin - kept + error.start + unseen
        kept = len(decoder.getstate()[0])
    return None


def _wide(data: bytes) -> str:
    """The order of bytes that UTF-16 would have here: its zeros are the higher halves of the characters."""
    even, odd = data[:SAMPLE:2].count(0), data[1:SAMPLE:2].count(0)
    return "utf-16-le" if odd >= even else "utf-16-be"


def _detected(data: bytes, wrong: int) -> str | None:
    """The likeliest codec that reads all of ``data``; where Western and Central Europe agree, the Western one."""
    from charset_normalizer import from_bytes

    begin = data.rfind(b"\n", 0, wrong) + 1  # a character can begin here, whatever the encoding
    sample = data[begin : begin + SAMPLE]
    if begin + SAMPLE < len(data):
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    for disorder in (0.2, 0.5):  # its own measure of text that looks wrong: names and abbreviations do
        for match in from_bytes(sample, cp_isolation=CANDIDATES, threshold=disorder):
            same = "cp1252" in match.could_be_from_charset and _first_wrong(data, "cp1252") is None
            if same or _first_wrong(data, match.encoding) is None:
                return "cp1252" if same else codecs.lookup(match.encoding).name
    return None


def _shown(data: bytes, wrong: int, codec: str) -> str:
    """The first word that tells whether the encoding is the right one."""
    begin = data.rfind(b"\n", 0, wrong) + 1
    line = data[begin : begin + 400].decode(codec, errors="ignore")
    words = (word for word in re.split(r"[\W_]+", line) if not word.isascii())
    return next(words, line[:20])[:20]
