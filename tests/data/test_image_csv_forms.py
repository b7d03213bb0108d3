"""Tables of pictures are read by the rules of all tables: header, delimiter, encoding, and the end of each line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnncli.core.errors import DataError
from cnncli.core.notices import collecting
from tests.conftest import Answer, make_pictures
from tests.data.test_data import bundle
from tests.data.test_tables import opened, table_of

Cli = Callable[..., Answer]
ROWS = [(f"{name}/{i:03d}.png", name) for name in "ab" for i in range(10)]


def plain(form: str, header: str | None = "path,label") -> str:
    """A line for each picture in the ``form`` of ``{path}`` and ``{label}``, below the ``header``."""
    lines = [form.format(path=path, label=label, n=n) for n, (path, label) in enumerate(ROWS)]
    return "\n".join([header, *lines] if header is not None else lines) + "\n"


def read(text: str, saved: str = "utf-8", **config: Any) -> Any:
    make_pictures(Path("photos"), {"a": 10, "b": 10})
    Path("photos/list.csv").write_text(text, encoding=saved)
    return bundle(name="image_csv", file="photos/list.csv", image_size=8, **config)


@pytest.mark.parametrize(
    ("text", "config"),
    [
        (plain("{path},{label},", "path,label,"), {}),
        (plain("{path},{label},"), {}),  # only the rows end with a delimiter
        (plain("{path};{label};", "path;label"), {}),
        (plain("{path}\t{label}\t", "path\tlabel\t"), {}),
        (plain("{path},{label},", "path,label,note"), {}),
        (plain("{n},{path},{label}", ",path,label"), {}),
        (plain('"{path}","{label}",', '"path","label",'), {}),
        (plain("{path},{label}", None), {"header": False, "path": 0, "label": 1}),
        (plain("{path},{label},", None), {"header": False, "path": 0, "label": -1}),
        (plain("{label},{path}", "1,2"), {"header": True, "path": "2", "label": "1"}),
        (plain("{label},{path}", "1,2"), {"path": 1, "label": 0}),
        (plain("{path},{label},1,2", "path,label,0,1"), {}),  # named columns: the first line holds names
        (plain("{path}|{label}", None), {"delimiter": "|", "header": False, "path": 0, "label": 1}),
    ],
)  # fmt: skip
def test_tables_of_pictures_are_read_in_every_usual_form(text: str, config: dict[str, Any]) -> None:
    data = read(text, **config)
    assert data.spec.classes == ("a", "b")
    assert sum(len(source) for source in data.sources.values()) == 20


def test_an_encoding_is_found_or_stated() -> None:
    text = plain("{path},{label}é")
    assert read(text, "cp1252", encoding="cp1252").spec.classes == ("aé", "bé")
    assert read(text, "utf-16").spec.classes == ("aé", "bé")


@pytest.mark.parametrize("end", [",", ", "])
def test_tables_and_tables_of_pictures_end_their_lines_alike(end: str) -> None:
    rows = "".join(f"{n},{n * n % 7},{'yes' if n % 2 else 'no'}{end}\n" for n in range(20))
    for header in ("a,b,y\n", "a,b,y,\n"):
        with collecting() as told:
            answer = opened(header + rows, target="y")
        assert [column.name for column in table_of(answer).columns] == ["a", "b"]
        assert any("every line ends with a delimiter" in notice.text for notice in told)
    answer = opened(rows, target=-1, header=False)
    assert [column.name for column in table_of(answer).columns] == ["0", "1"]
    assert answer.spec.classes == ("no", "yes")


def test_a_value_far_below_in_the_column_without_a_name_is_no_end_of_lines() -> None:
    rows = "".join(f"{n},{n % 7},{'yes' if n % 2 else 'no'},{'x' if n == 300 else ''}\n" for n in range(400))
    with pytest.raises(DataError, match=r"rows.csv:302: has a value in the last column, which has no name; name it"):
        opened("a,b,y,\n" + rows, target="y")
    named = opened("a,b,y,n\n" + rows, target="y", ignore=["n"])
    assert [column.name for column in table_of(named).columns] == ["a", "b"]


def test_a_row_that_is_longer_than_the_others_is_still_refused() -> None:
    with pytest.raises(DataError, match=r"list.csv:4: has 3 values where 2 columns are expected"):
        read(plain("{path},{label}").replace("a/002.png,a", "a/002.png,a,"))


def test_without_names_the_advice_helps(cnncli: Cli) -> None:
    make_pictures(Path("photos"), {"a": 10, "b": 10})
    Path("photos/list.csv").write_text(plain("{label},{path}", None))
    Path("c.yaml").write_text("dataset: {name: image_csv, file: photos/list.csv, image_size: 8}\nmodel: mlp\n")
    answer = cnncli("train", "c.yaml", "--dry-run")
    assert answer.code == 3
    assert "or set dataset.header: false, dataset.path_column: 1 and dataset.label: 0" in answer.err
    followed = ["dataset.header=false", "dataset.path_column=1", "dataset.label=0"]
    assert cnncli("train", "c.yaml", "--dry-run", *followed).code == 0
    partly = cnncli("train", "c.yaml", "--dry-run", followed[0])
    assert "'1' holds the files; set dataset.path_column: 1" in partly.err
    far = cnncli("train", "c.yaml", "--dry-run", *followed[:2], "dataset.label=2")
    assert "list.csv: there is no column 2 among 2; count from 0, or -1 for the last" in far.err


def test_predict_writes_its_columns_below_their_names_where_only_rows_end_with_a_delimiter(cnncli: Cli) -> None:
    rows = "".join(f"{n},{n * n % 7},{'yes' if n % 2 else 'no'},\n" for n in range(40))
    Path("t.csv").write_text("a,b,y\n" + rows)
    Path("c.yaml").write_text("dataset: {name: csv, file: t.csv, target: y}\nmodel: mlp\ntrain: {epochs: 1}\n")
    assert cnncli("train", "c.yaml", "--name", "a/1").code == 0
    assert cnncli("predict", "--ckpt", "runs/a/1/best.pt", "t.csv", "--out", "answers.csv").code == 0
    lines = [line.split(",") for line in Path("answers.csv").read_text().splitlines()]
    assert len({len(line) for line in lines}) == 1
    assert {line[lines[0].index("prediction")] for line in lines[1:]} <= {"yes", "no"}
