"""What a run can be called."""

import re
import unicodedata

import pytest

from cnncli.core.run_names import checked_name, name_of_file

FINE = ["昆蟲/第一次", "насекомые-1", "حشرات", "虫の実験", "🐈", "👨‍👩‍👧", "می‌خواهم", "a b", "a,b;c&d", ".hidden", "-x",
        "x" * 255, "昆" * 85, "console", "com10", "a.con"]  # fmt: skip


@pytest.mark.parametrize("name", FINE)
def test_letters_of_all_scripts_are_names(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    ("name", "cause", "better"),
    [
        ("a:b", "holds ':'", "ab"),
        ("昆蟲?", "holds '?'", "昆蟲"),
        ("a\\b", "holds '\\'", "ab"),
        ("a\nb", "holds U+000A, a control character", "ab"),
        ("a\u202eb", "holds U+202E, an invisible character", "ab"),
        ("a\u2028b", "holds U+2028, a line break", "ab"),
        ("a\udcffb", "holds U+DCFF, no character but a byte", "ab"),
        ("a\uffff", "holds U+FFFF, no character of Unicode", "a"),
        ("a ", "has a space at the end", "a"),
        (" a", "has a space at the start", "a"),
        ("g/a\u3000", "has a space at the end", "g/a"),
        ("a.", "has a '.' at the end", "a"),
        ("../a", "holds '..'", "a"),
        ("a/./b", "holds '.'", "a/b"),
        ("a//b", "has a '/' with nothing", "a/b"),
        ("/a", "has a '/' with nothing", "a"),
        ("CON", "write run-CON", "run-CON"),
        ("g/lpt¹.txt", "write run-lpt¹.txt", "g/run-lpt¹.txt"),
        ("昆" * 86, "has 258 bytes", "昆" * 85),
        ("/".join(["a" * 250] * 4), "more than 1000 bytes", "/".join(["a" * 249] * 4)),
        ("", "is empty", "a"),
    ],
)
def test_what_is_no_folder_somewhere_is_refused_and_the_advice_helps(name: str, cause: str, better: str) -> None:
    with pytest.raises(ValueError, match=re.escape(cause)):
        checked_name(name)
    assert checked_name(better) == better


def test_two_ways_to_write_a_letter_are_one_name() -> None:
    for name in ("é", "가", "й"):
        assert checked_name(unicodedata.normalize("NFD", name)) == name


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("我的實驗", "我的實驗"),
        ("my config", "my-config"),
        ("a--b (2)", "a--b-2-"),
        ("昆蟲 第一次", "昆蟲-第一次"),
        ("e\u0301te\u0301", "été"),
        ("con", "run-con"),
        ("_x", "x"),
        ("...", "run"),
        ("a\udcff\u202eb", "a-b"),
        ("🐈 & 🐕", "🐈-🐕"),
        ("昆" * 90, "昆" * 66),
        ("x" + "e\u0328\u0300" * 100, "x" + "ę\u0300" * 49),
    ],
)
def test_the_name_of_a_file_becomes_a_name(stem: str, name: str) -> None:
    assert name_of_file(stem) == name
    assert checked_name(name) == name
