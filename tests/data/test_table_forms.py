"""Tables as people have them: numbers as text, labels, headers, delimiters, encodings. Each read right, or refused."""

import codecs
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cnncli.core.columns import Form
from cnncli.core.errors import DataError
from cnncli.core.notices import collecting
from cnncli.core.registry import datasets
from cnncli.data.columns import encode_rows
from cnncli.data.table_file import open_table
from cnncli.data.tables import TableData
from tests.data.test_tables import failure, opened, rows_of, table_of, write

WHOLE: dict[str, Any] = {"val_fraction": 0.0, "test_fraction": 0.0}


def quoted(cells: list[str], delimiter: str = ",") -> str:
    """A table ``x,y`` of such cells."""
    rows = [f'"{cell}"{delimiter}{"ab"[n % 2]}' for n, cell in enumerate(cells)]
    return "\n".join([f"x{delimiter}y", *rows]) + "\n"


def as_numbers(text: str, **options: Any) -> list[float]:
    """What the first column is taken for, undone."""
    answer = opened(text, target="y", normalize="none", **WHOLE, **options)
    assert len(table_of(answer).columns[0].inputs) == 1, table_of(answer).columns[0].inputs
    return [round(value, 4) for value in rows_of(answer, "train").inputs[:, 0].tolist()]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["20,5", "21,75", "3"], [20.5, 21.75, 3]),
        (["1,234.5", "999.5", "12,345,678"], [1234.5, 999.5, 12345678]),
        (["1.234,5", "999,25", "12.345.678"], [1234.5, 999.25, 12345678]),
        (["1 234,5", "999,25", "12 345"], [1234.5, 999.25, 12345]),
        (["1\u00a0234,5", "999,25", "1\u00a0000"], [1234.5, 999.25, 1000]),
        (["1\u202f234.5", "999.25", "1\u202f000"], [1234.5, 999.25, 1000]),
        (["1'234.5", "999.25", "1'000"], [1234.5, 999.25, 1000]),
        (["1’234.5", "999.25", "1’000"], [1234.5, 999.25, 1000]),
        (["12 %", "7.5 %", "100 %"], [12, 7.5, 100]),
        (["12,5%", "7,5%", "-0,25%"], [12.5, 7.5, -0.25]),
        (["$3.20", "$1,200.50", "-$4"], [3.2, 1200.5, -4]),
        (["3,20 €", "1.200,50 €", "-4 €"], [3.2, 1200.5, -4]),
        (["EUR 3.20", "EUR 12", "EUR 4.5"], [3.2, 12, 4.5]),
        (["CHF 1'200.50", "CHF 12", "CHF 4.5"], [1200.5, 12, 4.5]),
        (["£3", "£2.5", "£1,000"], [3, 2.5, 1000]),
        (["¥500", "¥1,200", "¥12"], [500, 1200, 12]),
        (["($5.00)", "$7.00", "$1.00"], [-5, 7, 1]),
        (["−3.5", "+2", "−1"], [-3.5, 2, -1]),
        (["1e3", "2.5E-1", ".5"], [1000, 0.25, 0.5]),
        (["1,5e3", "2,5E-1", "3"], [1500, 0.25, 3]),
        (["12,34,567", "1,00,000", "5,000"], [1234567, 100000, 5000]),
        (["１２", "３.５", "4"], [12, 3.5, 4]),
        ([" 20,5 ", "21,75", " 3"], [20.5, 21.75, 3]),
        (["1,234", "20,300", "999"], [1234, 20300, 999]),
    ],
)
def test_numbers_written_as_text_are_numbers(cells: list[str], expected: list[float]) -> None:
    with collecting() as found:
        values = as_numbers(quoted(cells * 4))
    assert values == pytest.approx(expected * 4)
    if cells[0] not in ("1e3", "−3.5", "１２"):
        assert {"numbers_as_text", "decimal"} & {notice.kind for notice in found}, "and that is said"


@pytest.mark.parametrize(
    ("cells", "options", "cause"),
    [
        (["20,5", "21.5", "3,5", "4,5"], {}, "rows.csv:3: column 'x' has '21.5' where a number"),
        (["$3", "€4", "$5", "$6"], {}, "rows.csv:3: column 'x' has '€4' where a number"),
        (["12%", "7%", "0.5", "4%"], {}, "rows.csv:4: column 'x' has '0.5' where a number"),
        (["20,5", "abc", "3,5", "4,5"], {}, "rows.csv:3: column 'x' has 'abc' where a number"),
        (["1.5", "?", "3.5", "4.5"], {}, "if it stands for no value, set dataset.na_values: ['?']"),
        (["1.5", "NA", "3.5", "4.5"], {}, "if it stands for no value, set dataset.na_values: ['NA']"),
        (["1.5", "inf", "3.5", "4.5"], {}, "rows.csv:3: column 'x' has 'inf'"),
        (["1.5", "1e400", "3.5", "4.5"], {}, "rows.csv:3: column 'x' has "),
    ],
)
def test_a_column_of_two_forms_is_refused_by_line(cells: list[str], options: dict[str, Any], cause: str) -> None:
    assert cause in failure(quoted(cells), target="y", **WHOLE, **options)


def test_advice_of_forms_helps() -> None:
    told = quoted(["1.5", "?", "3.5", "4.5"])
    assert "has no value; give one, or set missing: fill or drop" in failure(
        told, target="y", na_values=("?",), **WHOLE
    )
    for missing, rows in (("fill", 4), ("drop", 3)):
        assert len(as_numbers(told, na_values=("?",), missing=missing)) == rows
    doubtful = quoted(["1,234", "20,300", "9,999"] * 3, ";")
    message = failure(doubtful, target="y", **WHOLE)
    assert message.startswith("rows.csv:2: column 'x' has '1,234', which with a decimal comma is another number")
    assert as_numbers(doubtful, decimal=",")[:2] == [1.234, 20.3]
    assert as_numbers(doubtful, thousands=",")[:2] == [1234, 20300]


def test_where_the_decimal_sign_is_a_comma_points_part_thousands() -> None:
    text = "a;b;y\n" + "1,5;1.234;p\n2,5;999;q\n3,5;12.500;p\n" * 5
    answer = opened(text, target="y", normalize="none", **WHOLE)
    assert rows_of(answer, "train").inputs[:3, 1].tolist() == [1234, 999, 12500]
    assert rows_of(opened(text, target="y", normalize="none", decimal=".", **WHOLE), "train").inputs[0, 1] != 1234


def test_the_form_is_remembered_for_new_rows() -> None:
    table = table_of(opened(quoted(["1.234,5", "20,25", "3"] * 4), target="y", normalize="none", **WHOLE))
    assert table.columns[0].form == Form(",", ".")
    frame = open_table(Path(write('x\n"1.234"\n"2,5"\n')), text=["x"]).frame
    assert encode_rows(frame, table).flatten().tolist() == [1234, 2.5]
    wrong = open_table(Path(write('x\n"12.34"\n')), text=["x"]).frame
    with pytest.raises(
        DataError, match=r"has '12.34' where a number with a decimal comma and with '.' between thousands"
    ):
        encode_rows(wrong, table, "new.csv")


def test_a_target_so_written_is_numbers() -> None:
    answer = opened("x;y\n" + "".join(f"{n};{n},5\n" for n in range(40)), "numbers", target="y", **WHOLE)
    assert rows_of(answer, "train").targets[:3, 0].tolist() == [0.5, 1.5, 2.5]
    text = "x,y\n" + "".join(f'{n},"${n},000"\n' for n in range(1, 40))
    answer = opened(text, "numbers", target="y", **WHOLE)
    assert rows_of(answer, "train").targets[:2, 0].tolist() == [1000, 2000]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["01", "1", "007"], ("007", "01", "1")),
        (["1E5", "100000", "12"], ("100000", "12", "1E5")),
        (["+1", "1", "-1"], ("+1", "-1", "1")),
        (["01", "1", "A7"], ("01", "1", "A7")),
        (["9007199254740992", "9007199254740993"], ("9007199254740992", "9007199254740993")),
        (["123456789012345678901", "123456789012345678902"], ("123456789012345678901", "123456789012345678902")),
        (["0.0", "1.0"], ("0", "1")),
        (["0", "1.0"], ("0", "1")),
        (["2", "10", "9"], ("2", "9", "10")),
        (["-1", "1"], ("-1", "1")),
        (["None", "Mild", "Severe"], ("Mild", "None", "Severe")),
        (["NA", "DE", "FR"], ("DE", "FR", "NA")),
        (["null", "N/A", "?"], ("?", "N/A", "null")),
        (["True", "False"], ("False", "True")),
        (["TRUE", "true"], ("TRUE", "true")),
        (["yes", "no"], ("no", "yes")),
        (["1_000", "1000"], ("1000", "1_000")),
        (["0x10", "16"], ("0x10", "16")),
        (["1-2", "3-4"], ("1-2", "3-4")),
        (["00", "0"], ("0", "00")),
        (["cafe\u0301", "tea"], ("caf\u00e9", "tea")),
        ([" a ", "b"], ("a", "b")),
        (["1,5", "a"], ("1,5", "a")),
        (["$1", "$2"], ("$1", "$2")),
        (["-0", "0"], ("-0", "0")),
        (["inf", "0"], ("0", "inf")),
    ],
)
def test_class_labels_are_texts_as_written(labels: list[str], classes: tuple[str, ...]) -> None:
    text = "x,y\n" + "".join(f'{n},"{label}"\n' for n, label in enumerate(labels * 12))
    with collecting() as found:
        answer = opened(text, target="y", **WHOLE)
    assert answer.spec.classes == classes
    counted = rows_of(answer, "train").targets.bincount().tolist()
    assert counted == [12] * len(classes), "no two are joined"
    assert ("labels" in {notice.kind for notice in found}) == (labels[-1] == "1.0")


@pytest.mark.parametrize("labels", [["Cat", "cat"], ["01", "1"], ["1E5", "100000"], ["New  York", "new york"]])
def test_classes_that_look_like_one_are_a_notice(labels: list[str]) -> None:
    with collecting() as found:
        opened("x,y\n" + "".join(f"{n},{label}\n" for n, label in enumerate(labels * 9)), target="y", **WHOLE)
    assert [notice.kind for notice in found] == ["similar_classes"]


def test_an_empty_label_is_missing_and_nothing_else() -> None:
    text = "x,y\n" + "1,None\n2,NA\n" * 9 + "3,\n"
    assert failure(text, target="y").startswith("rows.csv:20: column 'y' has no value to learn")
    assert opened(text, target="y", missing="drop", **WHOLE).spec.classes == ("NA", "None")
    assert "has 1 class" in failure(text, target="y", missing="drop", na_values=("NA",))
    country = "country,x,y\n" + "NA,1,0\nDE,2,1\nFR,3,0\n" * 9
    assert table_of(opened(country, target="y", **WHOLE)).columns[0].categories == ("DE", "FR", "NA")


def test_no_text_is_nearly_unique_and_one_hot_without_a_word() -> None:
    text = "name,x,y\n" + "".join(f"n{n},{n},{n % 2}\n" for n in range(30))
    assert "has 30 different texts in 30 rows; name it in ignore" in failure(text, target="y", **WHOLE)
    assert opened(text, target="y", ignore=("name",), **WHOLE).spec.input_shape == (1,)
    assert opened(text, target="y", categorical=("name",), **WHOLE).spec.input_shape == (31,)
    with collecting() as found:
        opened("\n".join(text.splitlines()[:11]), target="y", **WHOLE)
    assert [notice.kind for notice in found] == ["many_categories"]


def test_an_unseen_category_is_refused_or_is_like_the_rare_ones() -> None:
    text = "city,x,y\n" + "Oslo,1,p\nRome,2,q\n" * 20 + "Bonn,3,p\nGent,4,q\n"
    table = table_of(opened(text, target="y", missing="fill", **WHOLE))
    new = open_table(Path(write("city,x\nKyiv,2\n", "new.csv"))).frame
    with pytest.raises(DataError, match=r"new.csv:2: column 'city' has 'Kyiv', unknown in training .*set dataset.rare"):
        encode_rows(new, table, "new.csv")
    advised = table_of(opened(text, target="y", missing="fill", rare=5, **WHOLE))
    assert advised.columns[0].inputs == ("city=Oslo", "city=Rome", "city=(unknown)")
    rare = open_table(Path(write("city,x\nBonn,2\n", "new.csv"))).frame
    assert encode_rows(new, advised).tolist() == encode_rows(rare, advised).tolist()
    assert encode_rows(new, advised)[0, :3].tolist() == [0, 0, 1]
    message = failure(text, target="y", rare=50, **WHOLE)
    assert "no text that is in 50 training rows, the commonest is in 20; set dataset.rare: 20, or name" in message
    assert table_of(opened(text, target="y", missing="fill", rare=20, **WHOLE)).columns[0].inputs[0] == "city=Oslo"


def test_a_missing_category_that_training_did_not_have_is_the_usual_one_and_said() -> None:
    text = "city,x,y\n" + "Oslo,1,p\nRome,2,q\nOslo,2,q\n" * 9
    table = table_of(opened(text, target="y", missing="fill", **WHOLE))
    with collecting() as found:
        encoded = encode_rows(open_table(Path(write("city,x\n,2\nOslo,2\n"))).frame, table)
    assert encoded[0].tolist() == encoded[1].tolist()
    assert [notice.kind for notice in found] == ["filled"]


def test_very_many_categories_are_refused_with_their_size() -> None:
    text = "user,x,y\n" + "".join(f"u{n % 30000},{n % 13},{n % 2}\n" for n in range(60_000))
    message = failure(text, target="y", categorical=("user",), **WHOLE)
    assert "column 'user' has 30,000 different texts" in message
    assert "6.7 GiB, more than 2; name it in ignore, or set dataset.rare" in message
    assert opened(text, target="y", ignore=("user",), **WHOLE).spec.input_shape == (1,)
    message = failure(text, target="y", categorical=("user",), rare=3, **WHOLE)
    assert message.endswith("set dataset.rare: 2, or name the column in ignore, not in categorical")
    message = failure(text, target="y", categorical=("user",), ignore=("user",), **WHOLE)
    assert "'user' is among categorical or dates and also the target, key, group, split or ignored; choose" in message


def test_texts_that_are_all_different_are_refused_with_advice_that_helps() -> None:
    text = "user,x,y\n" + "".join(f"u{n},{n % 13},{n % 2}\n" for n in range(40))
    message = failure(text, target="y", categorical=("user",), rare=2, **WHOLE)
    assert message.endswith("the commonest is in 1; name the column in ignore, not in categorical")
    assert opened(text, target="y", ignore=("user",), **WHOLE).spec.input_shape == (1,)


@pytest.mark.parametrize("sign", ["-", "--", "inf", "?"])
def test_signs_for_no_value_are_asked_for(sign: str) -> None:
    text = quoted(["1.5", sign, "3.5", "4.5", "7.25"])
    assert failure(text, target="y", **WHOLE).endswith(f"set dataset.na_values: ['{sign}']")
    assert as_numbers(text, na_values=(sign,), missing="drop") == [1.5, 3.5, 4.5, 7.25]


def test_negative_numbers_in_brackets_are_read_among_plain_ones() -> None:
    assert as_numbers(quoted(["(5.00)", "3.5", "2", "-1.25"])) == [-5, 3.5, 2, -1.25]
    assert "'(5.00' where a number is expected" in failure(quoted(["(5.00", "3.5", "2"]), target="y", **WHOLE)


@pytest.mark.parametrize(
    ("delimiter", "given"),
    [(",", None), (";", None), ("\t", None), ("|", None), ("   ", None), ("\t", "\\t"), ("|", "|"), (" ", " "),
     ("#", "#"), ("§", "§")],
)  # fmt: skip
def test_delimiters_are_found_or_stated(delimiter: str, given: str | None) -> None:
    lines = ["a,b,y", *(f"{n},{n * 0.5},{'pq'[n % 2]}" for n in range(30))]
    answer = opened("\n".join(line.replace(",", delimiter) for line in lines), target="y", delimiter=given, **WHOLE)
    expected = opened("\n".join(lines), target="y", **WHOLE)
    assert answer.spec == expected.spec
    assert rows_of(answer, "train").inputs.equal(rows_of(expected, "train").inputs)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gb18030", "cp1252", "shift_jis"])
def test_encodings_are_found_and_said(encoding: str) -> None:
    words = {"gb18030": ["北京", "上海", "广州"], "shift_jis": ["東京都", "大阪府", "京都"]}.get(
        encoding, ["café", "Köln", "Ñuñoa"]
    )
    text = "place,x,y\n" + "".join(f"{words[n % 3]},{n},{'pq'[n % 2]}\n" for n in range(60))
    content = text.encode(encoding)
    content = codecs.BOM_UTF16_LE + content if encoding == "utf-16-le" else content
    Path("rows.csv").write_bytes(content)
    with collecting() as found:
        raw = datasets.build("csv", file="rows.csv", target="y")
    assert set(raw.frame["place"]) == set(words)
    assert [notice.kind for notice in found] == (["encoding"] if encoding in ("gb18030", "cp1252", "shift_jis") else [])
    if not encoding.startswith("utf"):
        with collecting() as found:
            datasets.build("csv", file="rows.csv", target="y", encoding=encoding)
        assert not found


def test_a_first_line_of_numbers_is_no_header() -> None:
    bare = "7.5,3,1\n" + "".join(f"{n}.5,{n % 7},{n % 2}\n" for n in range(39))
    assert failure(bare, target=-1).startswith("rows.csv:1: line 1 is numbers; set header: false")
    answer = opened(bare, target=-1, header=False, **WHOLE)
    assert len(rows_of(answer, "train")) == 40
    assert opened(bare, target=-1, header=False, ignore=(0,), **WHOLE).spec.input_shape == (1,)
    assert len(rows_of(opened(bare, target=-1, header=True, **WHOLE), "train")) == 39
    texts = "".join(f"{'abc'[n % 3]},{'xy'[n % 2]}\n" for n in range(40))
    assert "line 1 is like the lines below it; set header: false" in failure(texts, target=-1)
    assert opened(texts, target=-1, header=False, **WHOLE).spec.classes == ("x", "y")


def test_names_that_are_numbers_are_names_where_others_are() -> None:
    named = opened("0,1,2,OT\n" + "".join(f"{n}.5,{n % 7},3{n},{n % 2}\n" for n in range(40)), target="OT", **WHOLE)
    assert [column.name for column in table_of(named).columns] == ["0", "1", "2"]
    by_pandas = "0,1,2\n" + "".join(f"{n}.5,{n % 7},{n % 2}\n" for n in range(40))
    assert len(rows_of(opened(by_pandas, target=-1, **WHOLE), "train")) == 40


def test_an_index_column_and_an_empty_last_one_are_left_out_and_said() -> None:
    frame = pd.DataFrame({"x": np.arange(30) * 0.5, "y": ["p", "q"] * 15})
    for text in (frame.to_csv(), frame.to_csv(index=False).replace("\n", ",\n")):
        with collecting() as found:
            answer = opened(text, target="y", **WHOLE)
        assert [column.name for column in table_of(answer).columns] == ["x"]
        assert len(found) == 1
        assert found[0].kind in ("index_column", "empty_column")
    named = frame.set_index(pd.Index([f"row {n * 7}" for n in range(30)])).to_csv()
    with collecting() as found:
        assert opened(named, target="y", **WHOLE).spec.input_shape == (1,)
    assert [notice.kind for notice in found] == ["index_column"]


def test_a_long_cell_in_an_ignored_column_is_read() -> None:
    rows = [f"{n},{'pq'[n % 2]},{'long ' * 30_000 if n == 7 else 'short'}" for n in range(30)]
    assert opened("\n".join(["x,y,note", *rows]), target="y", ignore=("note",), **WHOLE).spec.input_shape == (1,)


def test_dates_become_year_month_weekday_and_hour_when_asked_for() -> None:
    days = pd.date_range("2023-11-30 06:00", periods=40, freq="31h")
    for form in ("%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M"):
        text = "when,y\n" + "".join(f"{day:{form}},{'pq'[n % 2]}\n" for n, day in enumerate(days))
        assert "in dates if it holds dates" in failure(text, target="y", **WHOLE)
        answer = opened(text, target="y", dates=("when",), normalize="none", **WHOLE)
        row = rows_of(answer, "train").inputs[1].tolist()  # Friday, 1 December, 13:00
        expected = [2023, *(f(2 * np.pi * t) for t in (11 / 12, 4 / 7, 13 / 24) for f in (np.sin, np.cos))]
        assert row == pytest.approx(expected, abs=1e-6)
    doubtful = "when,y\n" + "".join(f"0{1 + n % 9}/0{1 + n % 7}/2024,{'pq'[n % 2]}\n" for n in range(40))
    message = failure(doubtful, target="y", dates=("when",), **WHOLE)
    assert "set dataset.date_format to one of them" in message
    assert opened(doubtful, target="y", dates=("when",), date_format="%d/%m/%Y", **WHOLE).spec.input_shape == (7,)


def test_keys_and_groups_are_no_features() -> None:
    text = "id,patient,x,y\n" + "".join(f"{n:03},p{n // 3},{n},{'pq'[n % 2]}\n" for n in range(30))
    raw = datasets.build("csv", file=write(text), target="y", key="id", group="patient")
    assert isinstance(raw, TableData)
    assert (raw.features, raw.key, raw.group) == (("x",), "id", "patient")
    assert raw.frame["id"].iloc[1] == "001"
    assert raw.frame["x"].dtype.kind == "f"


def test_parquet_excel_and_gzip_are_read_as_the_csv_is() -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("openpyxl")
    frame = pd.DataFrame({"x": np.arange(40) * 0.5, "town": ["Oslo", "Rome"] * 20, "y": [0, 1, 1, 0] * 10})
    frame.to_csv("t.csv", index=False)
    frame.to_parquet("t.parquet")
    frame.to_excel("t.xlsx", index=False)
    Path("t.csv.gz").write_bytes(gzip.compress(Path("t.csv").read_bytes()))
    expected = datasets.build("csv", file="t.csv", target="y")
    for name in ("t.parquet", "t.xlsx", "t.csv.gz"):
        raw = datasets.build("csv", file=name, target="y")
        assert raw.frame["x"].tolist() == expected.frame["x"].tolist()
        assert raw.frame["town"].tolist() == expected.frame["town"].tolist()
        assert [str(label) for label in raw.frame["y"]] == expected.frame["y"].tolist()
    for name in ("bad.parquet", "bad.xlsx"):
        Path(name).write_bytes(b"no such thing")
        with pytest.raises(DataError, match=r"cannot be read as .*save it again, or as CSV"):
            datasets.build("csv", file=name, target="y")


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_points_that_may_part_thousands_are_said_and_read_as_told(delimiter: str) -> None:
    text = quoted(["1.988", "950", "2.750", "12.000", "7"], delimiter)
    with collecting() as told:
        assert as_numbers(text) == [1.988, 950, 2.75, 12, 7]
    advice = [each.text for each in told if each.kind == "points"]
    assert len(advice) == 1
    assert "'1.988'" in advice[0]
    assert "dataset.thousands: '.'" in advice[0]
    with collecting() as told:
        assert as_numbers(text, thousands=".") == [1988, 950, 2750, 12000, 7]
    assert "points" not in [each.kind for each in told]


@pytest.mark.parametrize("cells", [["1.98", "950", "2.75", "12.1"], ["0.988", "1", "0.250", "0.125"], ["1.988"] * 4])
def test_points_that_are_plainly_decimal_are_not_in_doubt(cells: list[str]) -> None:
    with collecting() as told:
        assert as_numbers(quoted([*cells, "3.125"])) == [*map(float, cells), 3.125]
    assert "points" not in [each.kind for each in told]
