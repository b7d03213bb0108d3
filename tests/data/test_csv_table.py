"""CSV files as tables: which columns they have, and every fault of a file in one line."""

from pathlib import Path
from typing import Any

import pytest

from cnncli.core.errors import DataError
from cnncli.core.registry import datasets
from cnncli.data.table_file import open_table
from tests.data.test_tables import PEOPLE, opened, table_of, write


def test_a_target_is_named_or_counted() -> None:
    path = write(PEOPLE)
    assert datasets.build("csv", file=path, target=-1).targets == ("job",)
    assert datasets.build("csv", file=path, target=0).targets == ("age",)
    with pytest.raises(DataError, match="no column 4 among 4"):
        datasets.build("csv", file=path, target=4)


def test_columns_are_chosen_ignored_or_made_categories() -> None:
    chosen = table_of(opened(PEOPLE, target="job", features=["height", "age"]))
    assert [column.name for column in chosen.columns] == ["height", "age"]
    rest = table_of(opened(PEOPLE, target="job", ignore=["town"]))
    assert [column.name for column in rest.columns] == ["age", "height"]
    codes = "zone,y\n" + "1,a\n2,b\n3,a\n1,b\n2,a\n3,b\n" * 3
    column = table_of(opened(codes, target="y", categorical=["zone"])).columns[0]
    assert column.categories == ("1", "2", "3")


def test_a_table_without_header_numbers_its_columns() -> None:
    text = "".join(f"{n},{n * n},{'yes' if n % 2 else 'no'}\n" for n in range(20))
    answer = opened(text, target=2, header=False)
    assert [column.name for column in table_of(answer).columns] == ["0", "1"]
    assert answer.spec.classes == ("no", "yes")
    assert sum(len(source) for source in answer.sources.values()) == 20
    assert opened(text, target="2", header=False).spec == answer.spec


def test_another_delimiter_quotes_blanks_and_a_byte_order_mark_are_read() -> None:
    text = '\ufeffa; "b c" ;y\n' + '1.5;"x;y";p\n\n2.5; z ;q\n"3.5";"x;y";p\n4;z;q\n' * 4
    answer = opened(text, target="y", delimiter=";")
    assert table_of(answer).columns[1].categories == ("x;y", "z")
    frame = open_table(Path(write('a,b\n"one\ntwo",3\n4,5\n'))).frame
    assert list(frame.index) == [2, 4], "a row's line is the one it begins in"


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"", {}, "rows.csv: is empty"),
        (b"\n\n", {}, "rows.csv: is empty"),
        (b"a,y\n", {}, "rows.csv: has a header but no rows"),
        (b"a,y\n1,p\n2\n", {}, "rows.csv:3: has 1 values where 2 columns are expected; fix the line"),
        (b"a,y\n1,p,3\n", {}, "rows.csv:2: has 3 values where 2 columns are expected; fix the line"),
        (b"a,y\n1,\xc3\xa9\n2,\xc3\xa9\xc3\xa8\n3,\xc3\n", {}, "rows.csv:4: is not UTF-8; save it in UTF-8, or"),
        (b"a,y\n1,\xe9\n", {"encoding": "utf-8"}, "rows.csv:2: cannot be read as utf-8; correct dataset.encoding"),
        (b"a,y\n1,\xe9\n", {"encoding": "utf-9"}, "rows.csv: there is no encoding 'utf-9'; correct dataset.encoding"),
        (b"a,y\n1,\0\n", {}, "rows.csv: holds NUL bytes"),
        (b'a,y\n"1,p\n', {}, "rows.csv:2: cannot be read as CSV (unexpected end of data)"),
        (b'a,y\n1,p\n"5" pipe,p\n', {}, "rows.csv:3: cannot be read as CSV (',' expected after"),
        (b"a,a,y\n1,2,p\n", {}, "rows.csv:1: two columns are called 'a'; rename one"),
        (b"a,,y\n1,2,p\n", {}, "rows.csv:1: column 2 has no name"),
        (b"a,label\n1,p\n", {"target": "labels"}, "rows.csv: there is no target column 'labels'; did you mean 'label'"),
        (b"a;y\n1;p\n", {"delimiter": ","}, "rows.csv: there is no target column 'y'; known: a;y"),
        (b"y\np\nq\n", {}, "rows.csv: no feature column is left of y; are delimiter ',' and ignore right?"),
        (b"a,y\n1,p\n", {"features": ["b"]}, "rows.csv: there is no column 'b'; known: a, y"),
        (b"a,y\n1,p\n", {"features": ["y"]}, "rows.csv: 'y' is among the features and also the target"),
        (b"a,y\n1,p\n", {"ignore": ["c"]}, "rows.csv: there is no column 'c'"),
        (b"a,y\n1,p\n", {"categorical": ["y"]}, "rows.csv: 'y' is among categorical or dates and also the target"),
        (b"a,y\n1,p\n", {"categorical": ["b"]}, "rows.csv: there is no feature 'b'"),
        (b"a,y\n1,p\n", {"split_column": "part"}, "rows.csv: there is no column 'part'"),
        (b"a,y\n1,p\n", {"target": []}, "rows.csv: target names 0 columns"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_is_refused_in_one_line(content: bytes, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        datasets.build("csv", **{"file": write(content), "target": "y", **options})
    assert str(caught.value).startswith(message)
    assert len(caught.value.lines()) == 1


def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no such file"):
        datasets.build("csv", file="nowhere.csv", target="y")
    with pytest.raises(DataError, match="cannot be read \\(Is a directory\\)"):
        datasets.build("csv", file=str(tmp_path), target="y")
    (tmp_path / "store").mkdir()
    write(PEOPLE, "store/people.csv")
    monkeypatch.setenv("CNNCLI_DATA", str(tmp_path / "store"))
    assert datasets.build("csv", file="people.csv", target="job").name == "people.csv"
