"""Rows as a table, as CSV and as JSON: one formatter, whatever they are rows of."""

import csv
import io
import json
from typing import Any

import pytest
from rich.cells import cell_len

from cnncli.core.errors import ConfigError
from cnncli.inference.rows import check_format, format_rows

ROWS: list[dict[str, Any]] = [
    {"path": "a.png", "count": 3, "share": 1 / 3, "note": None},
    {"path": "a longer, \"quoted\" name.png", "count": 12345678901, "share": 123456789.125, "note": "é"},
]  # fmt: skip


def test_csv_has_a_header_seven_digits_and_nothing_where_there_is_nothing() -> None:
    text = format_rows(ROWS, "csv")
    assert text == (
        "path,count,share,note\n"
        "a.png,3,0.3333333,\n"
        '"a longer, ""quoted"" name.png",12345678901,1.234568e+08,é\n'
    )  # fmt: skip


def test_csv_keeps_all_digits_where_they_are_asked_for() -> None:
    read = list(csv.DictReader(io.StringIO(format_rows(ROWS, "csv", digits=""))))
    assert [float(row["share"]) for row in read] == [1 / 3, 123456789.125]
    assert [row["count"] for row in read] == ["3", "12345678901"]


def test_a_table_has_columns_of_equal_width_and_five_digits() -> None:
    lines = format_rows(ROWS, "table").splitlines()
    assert lines[0].split() == ["path", "count", "share", "note"]
    assert lines[1].split() == ["a.png", "3", "0.33333"]
    assert lines[2].endswith("  1.2346e+08  é")
    for name in ("count", "share", "note"):
        begins = lines[0].index(name)
        assert all(len(line) <= begins or line[begins - 2 : begins] == "  " != line[begins] for line in lines)
    assert all(line == line.rstrip() for line in lines), "no blanks at the end"


def test_json_is_a_list_of_objects_or_one_that_says_what_they_are_about() -> None:
    text = format_rows(ROWS, "json")
    assert json.loads(text) == ROWS, "with all digits, and null where there is nothing"
    assert "é" in text
    assert text.endswith("]\n")
    about = {"targets": ("y",), "level": 0.9}
    assert json.loads(format_rows(ROWS, "json", about)) == {"targets": ["y"], "level": 0.9, "rows": ROWS}


def test_json_lines_are_an_object_a_line() -> None:
    text = format_rows(ROWS, "jsonl")
    assert [json.loads(line) for line in text.splitlines()] == ROWS
    assert "é" in text
    assert format_rows([], "jsonl", columns=["path"]) == ""


PATH = "/home/somebody/pictures/of all kinds/" + "a-very-long-name-" * 3 + "000.png"


@pytest.mark.parametrize("width", [20, 45, 60, 80, 120, 200])
def test_a_table_keeps_to_a_width_and_names_whole(width: int) -> None:
    rows = [{"path": PATH, "prediction": "昆蟲", "note": "b" * 30}, {"path": "蜂.png", "prediction": "ant", "note": ""}]
    text = format_rows(rows, "table", width=width)
    lines = text.splitlines()
    assert all(cell_len(line) <= width or line.strip() in (PATH, "b" * 30) or "b" * 30 in line for line in lines)
    assert any(line.startswith(PATH) for line in lines), "not broken"
    assert "b" * 30 in text
    if width >= 45:
        assert all(cell_len(line) <= width or line == PATH for line in lines)
    aligned = cell_len(PATH) + 2 + 10 + 2 + 30 <= width
    assert (lines[0].split() == ["path", "prediction", "note"]) == aligned


def test_wide_signs_are_aligned() -> None:
    lines = format_rows([{"name": "昆蟲🐝", "n": 1}, {"name": "ant", "n": 2}], "table").splitlines()
    assert [cell_len(line) for line in lines] == [9, 9, 9]


@pytest.mark.parametrize(
    ("form", "named", "alone"), [("csv", "path,p\n", "\n"), ("table", "path  p\n", "\n"), ("json", "[]\n", "[]\n")]
)
def test_without_rows_there_is_the_header_that_is_named(form: str, named: str, alone: str) -> None:
    assert format_rows([], form, columns=["path", "p"]) == named
    assert format_rows([], form) == alone


def test_named_columns_stand_in_their_order() -> None:
    assert format_rows([{"a": 1, "b": 2}], "csv", columns=["b", "a"]) == "b,a\n2,1\n"
    assert format_rows([{"a": 1, "b": 2}], "table", columns=["b", "a"]) == "b  a\n2  1\n"


def test_a_form_that_there_is_not_is_refused() -> None:
    for form in ("csv", "table", "json"):
        check_format(form)
    with pytest.raises(ConfigError, match=r"^--format jsn: did you mean 'json'"):
        check_format("jsn")
    with pytest.raises(ConfigError, match=r"^--format xml: "):
        format_rows(ROWS, "xml")
