"""Text files in whatever encoding they were saved: read right, or refused in one line whose advice helps."""

import codecs
import random
import re
from pathlib import Path

import pytest

from cnncli.core.errors import DataError
from cnncli.core.notices import collecting
from cnncli.core.registry import datasets
from cnncli.data.encodings import decode, detect

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
    ("cp1250", "Győr,3\nSzékesfehérvár,4\nHódmezővásárhely,5\n"),
    ("cp1252", "São Paulo,3\nBrasília,4\nGoiânia,5\n"),
    ("cp1252", "crème brûlée\npâté,3\n"),
    ("cp1254", "İstanbul,şehri\nçok güzel,değil mi\n"),
    ("cp1251", "Мы пошли в лес,3\nТам было хорошо,4\n"),
    ("koi8_r", "Мы пошли в лес,3\nТам было хорошо,4\n"),
    ("cp1253", "Αθήνα,3\nΘεσσαλονίκη,4\n"),
    ("shift_jis", "品目|数\nレポート|3\nポスト|4\n"),
    ("euc_kr", "오늘은 날씨가 좋아서 공원에 갔습니다.\n"),
    ("gb18030", "北京,3\n上海,4\n"),
]


@pytest.mark.parametrize(("codec", "text"), SAVED, ids=[f"{codec}-{text[:4]!a}" for codec, text in SAVED])
@pytest.mark.parametrize("times", [1, 40])
def test_the_detector_finds_usual_encodings_and_a_notice_names_them(codec: str, text: str, times: int) -> None:
    data = ("a,b\n1,2\n" * 5 + text * times).encode(codec)
    with collecting() as found:
        assert decode(data, None, "x.csv") == data.decode(codec)
    assert [told.kind for told in found] == ["encoding"]
    assert f"x.csv: is not UTF-8, read as {codec} ('" in found[0].text
    assert "set dataset.encoding" in found[0].text


@pytest.mark.parametrize(("codec", "word"), [("cp1252", "Köln"), ("euc_kr", "서울특별시"), ("gb18030", "北京")])
def test_tables_series_and_texts_say_the_same_of_an_encoding(codec: str, word: str) -> None:
    Path("x.csv").write_bytes(f"day,{word},y\n".encode(codec) + b"".join(b"%d,%d,1\n" % (n, n) for n in range(40)))
    told = []
    for name, options in (("csv", {"file": "x.csv", "target": "y"}), ("series_csv", {"file": "x.csv", "time": False}),
                          ("text", {"path": "x.csv"})):  # fmt: skip
        with collecting() as found:
            datasets.build(name, **options)
        told += [each.text for each in found if each.kind == "encoding"]
        with collecting() as found:
            datasets.build(name, **options, encoding=codec)
        assert not [each for each in found if each.kind == "encoding"]
    assert told == [f"x.csv: is not UTF-8, read as {codec} ('{word}'); set dataset.encoding if that is wrong"] * 3


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("told", [None, "utf-8", "cp1252"])
def test_a_mark_decides_and_is_no_character(codec: str, told: str | None) -> None:
    text = "größer,7\n日本,8\n"
    if codec == "utf-8" and told == "cp1252":
        assert decode(text.encode("utf-8")[:8], told, "x") != text, "no mark: what the config says"
        return
    with collecting() as found:
        assert decode(text.encode(codec), told, "x") == text
    assert not found, "nothing to look at"
    big = codecs.BOM_UTF16_BE + text.encode("utf-16-be")
    assert decode(big, told, "x") == text


def test_bytes_that_a_given_encoding_has_not_are_named() -> None:
    for told, data in (("utf-8", b"a" * 7 + b"\n\xfc\n"), ("ascii", "n\né".encode())):
        with pytest.raises(DataError, match=f"x:2: cannot be read as {told}; correct dataset.encoding"):
            decode(data, told, "x")
        assert decode(data, None, "x")
    with pytest.raises(DataError, match="x:1: cannot be read as utf-8, as the mark at its beginning says; save it"):
        decode(codecs.BOM_UTF8 + b"a\xff", None, "x")


@pytest.mark.parametrize("name", ["klingon", "zip", "hex", "utf 99", "utf\0"])
def test_an_encoding_that_is_none_is_named(name: str) -> None:
    with pytest.raises(DataError, match=r"x: there is no encoding '.*'; correct dataset\.encoding"):
        decode(b"abc", name, "x")


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_refused_with_advice_that_helps(codec: str) -> None:
    text = "day,sold\n" + "".join(f"2024-01-{n:02},{n}\n" for n in range(1, 30))
    Path("x.csv").write_bytes(text.encode(codec))
    for name, options in (("csv", {"file": "x.csv", "target": "sold", "categorical": ["day"]}),
                          ("series_csv", {"file": "x.csv"}), ("text", {"path": "x.csv"})):  # fmt: skip
        with pytest.raises(DataError) as refused:
            datasets.build(name, **options)
        advice = re.search(r"x\.csv: holds NUL bytes.* set dataset\.encoding: (\S+)$", str(refused.value))
        assert advice is not None
        assert datasets.build(name, **options, encoding=advice[1])


def test_bytes_that_are_no_text_are_refused() -> None:
    for data in (b"\x89\0NG\r\n\x1a", b"\0\0\0\0", b"\0\xd8a\0a\0"):
        with pytest.raises(DataError, match="x: holds NUL bytes, as files that are no text do; name a text file"):
            decode(data, None, "x")
    noise = random.Random(0).randbytes(4000).replace(b"\0", b"\1")
    with pytest.raises(DataError, match=r"x:1: is not UTF-8; save it in UTF-8, or set dataset\.encoding"):
        decode(noise, None, "x")
    assert detect(noise) is None
