"""Text files in whatever encoding they were saved: read right, or refused in one line whose advice helps."""

import codecs
import random
import re

import pytest

from cnncli.core.encodings import decode_bytes, detect_encoding
from cnncli.core.errors import ConfigError, DataError
from cnncli.core.notices import collecting

SAVED = [
    (
        "gb18030",
        "日期,城市,销量\n2024年1月,北京,3\n2024年2月,上海,4\n2024年3月,广州,5\n这是一个表格,人们把它保存下来\n",
    ),
    ("shift_jis", "日付,売上\n東京,3\n大阪,4\n"),
    ("euc_kr", "도시,가격\n서울,3\n부산,4\n"),
    ("big5", "城市,價格\n臺北,3\n高雄,4\n"),
    ("cp1251", "город,цена\nМосква,3\nКазань,4\n"),
    ("cp1252", "Straße,Größe\nMünchen,3\nKöln,4\n"),
    ("cp1250", "město,cena\nPlzeň,3\nÚstí,4\n"),
]


@pytest.mark.parametrize(("codec", "text"), SAVED, ids=[codec for codec, _ in SAVED])
@pytest.mark.parametrize("times", [1, 40])
def test_the_detector_finds_usual_encodings_and_a_notice_names_them(codec: str, text: str, times: int) -> None:
    data = ("a,b\n1,2\n" * 5 + text * times).encode(codec)
    with collecting() as found:
        assert decode_bytes(data, "x.csv") == data.decode(codec)
    assert [told.kind for told in found] == ["encoding"]
    assert "dataset.encoding" in found[0].text
    assert codec in found[0].text


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("told", [None, "utf-8", "cp1252"])
def test_a_mark_decides_and_is_no_character(codec: str, told: str | None) -> None:
    text = "größer,7\n日本,8\n"
    if codec == "utf-8" and told == "cp1252":
        assert decode_bytes(text.encode(codec), "x", told) != text, "no mark: what the config says"
        return
    with collecting() as found:
        assert decode_bytes(text.encode(codec), "x", told) == text
    assert not found, "nothing to look at"
    big = codecs.BOM_UTF16_BE + text.encode("utf-16-be")
    assert decode_bytes(big, "x", told) == text


def test_bytes_that_a_given_encoding_has_not_are_named() -> None:
    for told, data, wrong in (("utf-8", b"a" * 7 + b"\xfc\n", 7), ("ascii", "né".encode(), 1)):
        with pytest.raises(DataError, match=f"byte {wrong} is not {told}, as dataset.encoding says"):
            decode_bytes(data, "x", told)
        assert decode_bytes(data, "x")
    with pytest.raises(DataError, match="byte 4 is not utf-8, as its mark says"):
        decode_bytes(codecs.BOM_UTF8 + b"a\xff", "x")
    far = b"a" * (2**22 - 1) + "é".encode() + b"\xff"
    with pytest.raises(DataError, match=f"byte {2**22 + 1} is not utf-8"):
        detect_encoding(far, "x", "utf-8")


@pytest.mark.parametrize("name", ["klingon", "zip", "hex", "utf 99"])
def test_an_encoding_that_is_none_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=r"dataset\.encoding: '.*' is no encoding; such as utf-8"):
        decode_bytes(b"abc", "x", name)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_refused_with_advice_that_helps(codec: str) -> None:
    data = "day,sold\n1,2\n".encode(codec)
    with pytest.raises(DataError) as refused:
        decode_bytes(data, "x.csv")
    advice = re.search(r"set dataset\.encoding: (\S+)$", str(refused.value))
    assert advice is not None
    assert decode_bytes(data, "x.csv", advice[1]) == "day,sold\n1,2\n"


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(DataError, match="byte 1 is 0, as in files that are no text; name a text file"):
        decode_bytes(b"\x89\0NG\r\n\x1a", "x")
    with pytest.raises(DataError, match="is not UTF-8 text"):
        decode_bytes(random.Random(0).randbytes(4000).replace(b"\0", b"\1"), "x")
