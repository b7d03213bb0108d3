"""Lines above a table: Excel's ``sep=;`` is read, titles and dates of export are refused with advice that helps."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cnncli.config.catalog import fill_registries
from cnncli.core.errors import DataError
from cnncli.core.notices import Notice, collecting
from cnncli.core.registry import datasets
from cnncli.data.table_file import open_table
from tests.conftest import Answer

fill_registries()
Run = Callable[..., Answer]
ROWS = [(f"2024-01-{n:02}", "ab"[n % 2], f"{n * 7 % 30}.5") for n in range(1, 31)]
OPTIONS: dict[str, dict[str, Any]] = {"csv": {"target": "sold", "ignore": ["day"]}, "series_csv": {}}
TITLES = {
    "a title": "Sales report\n",
    "a date and a blank line": "Sales report\nExported: 2024-02-01\n\n",
    "commas": "Sales, all stores\nExported 2024-02-01, by me\n\n",
    "blank lines above": "\n\nReport\n",
    "padded": "Report§§\n§§\n",
    "keys and values": "Exported:§2024-02-01§\nBy:§me§\n",
    "as many cells": "Exported:§2024-02-01§09:30\n\n",
    "more cells": "# sales§of§all§stores§of§ours\n",
    "quoted over two lines": '"Sales\nreport"\n\n',
}


def table(delimiter: str = ",", decimal: str = ".") -> str:
    rows = [("day", "store", "sold"), *((day, store, sold.replace(".", decimal)) for day, store, sold in ROWS)]
    return "".join(delimiter.join(row) + "\n" for row in rows)


def read(name: str, text: str | bytes, **more: Any) -> tuple[list[float], list[int], list[Notice]]:
    """The values of ``sold``, the lines that they are read from (of a table), and what was told."""
    Path("r.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with collecting() as told:
        data = datasets.build(name, file="r.csv", **OPTIONS[name], **more)
    if name == "csv":
        return [float(str(cell).replace(",", ".")) for cell in data.frame["sold"]], list(data.frame.index), told
    return data.values[:, 0].tolist(), [], told


SOLD = [float(sold) for _, _, sold in ROWS]


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize(
    ("line", "mark", "encoding"),
    [("sep=,", ",", "utf-8"), ("sep=;", ";", "utf-8"), ("sep=\t", "\t", "utf-8"), ("sep=\\t", "\t", "utf-8"),
     ('"sep=|"', "|", "utf-8"), ("SEP=;", ";", "utf-8-sig"), ("sep=;", ";", "utf-16"), ("sep=^", "^", "utf-8")],
)  # fmt: skip
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_excels_first_line_states_the_delimiter(name: str, line: str, mark: str, encoding: str, ends: str) -> None:
    text = f"{line}\n{table(mark)}".replace("\n", ends).encode(encoding)
    values, lines, told = read(name, text)
    assert values == SOLD
    assert lines in ([], list(range(3, 33)))
    assert "r.csv: line 1 says that the cells are parted by" in told[0].text
    assert not [each for each in read(name, text, delimiter=mark)[2] if each.kind == "delimiter"]


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("title", TITLES.values(), ids=TITLES)
@pytest.mark.parametrize(("mark", "decimal"), [(",", "."), (";", ","), ("\t", ".")])
def test_lines_above_the_table_are_refused_with_advice_that_helps(
    name: str, title: str, mark: str, decimal: str
) -> None:
    title = title.replace("§", mark)
    text = title + table(mark, decimal)
    with pytest.raises(DataError) as refused:
        read(name, text)
    advice = re.fullmatch(
        r"r\.csv:(\d+): the table seems to begin in this line, whose columns it names; set dataset\.header: (\d+), or "
        "remove the lines above it",
        str(refused.value),
    )
    assert advice is not None, refused.value
    assert advice[1] == advice[2] == str(title.count("\n") + 1)
    values, lines, _ = read(name, text, header=int(advice[2]))
    assert values == SOLD
    assert lines in ([], [n + title.count("\n") + 2 for n in range(30)])
    assert read(name, text[len(title) :])[0] == SOLD, "without the lines above"
    assert read(name, "sep=" + mark + "\n" + text, header=int(advice[2]) + 1)[0] == SOLD


@pytest.mark.parametrize("name", OPTIONS)
def test_faults_below_a_title_are_named_with_their_own_lines(name: str) -> None:
    text = "Sales report\n\n" + table().replace("2024-01-05,", "2024-01-05,x,")
    with pytest.raises(DataError, match=r"r\.csv:8: has 4 values where 3 columns are expected"):
        read(name, text, header=3)
    with pytest.raises(DataError, match=r"r\.csv: ends before line 90; correct dataset\.header"):
        read(name, text, header=90)


NUMBERS = [f"{n},{n}.5,{n % 2}" for n in range(30)]


@pytest.mark.parametrize(
    ("first", "rows"),
    [
        ("text;y", [f"one, two, {n};{n % 2}" for n in range(30)]),
        ("a,b,y", NUMBERS),
        ("a,b,y", ["", "5e-08,,0", "", "0,NA,1", *NUMBERS]),
        ("a,b,y,", [f"{row}," for row in NUMBERS]),
        (",b,y", NUMBERS),
        ("y", [f"one; {n} two" for n in range(30)]),
    ],
)
def test_tables_that_begin_in_their_first_line_are_read_as_before(first: str, rows: list[str]) -> None:
    Path("r.csv").write_text("\n".join([first, *rows]))
    for header in ("auto", True, 1):
        assert len(open_table(Path("r.csv"), header).frame) == len([row for row in rows if row])


def test_a_title_above_numbers_without_names_is_refused_without_the_key() -> None:
    with pytest.raises(DataError, match=r"r\.csv:2: the table seems to begin in this line; remove the lines above it"):
        read("csv", "Report\n" + "".join(f"{n},{n % 3},{n}\n" for n in range(30)))


def test_a_list_of_pictures_is_found_by_the_names_of_its_columns() -> None:
    for n in range(9):
        Image.new("L", (4, 4), n).save(f"{n}.png")
    rows = "".join(f"{n}.png,{n % 2}\n" for n in range(9))
    Path("list.csv").write_text("Pictures\n\npath,label\n" + rows)
    with collecting() as found:
        data = datasets.build("image_csv", file="list.csv")
    assert [notice.kind for notice in found] == ["preamble"]
    assert len(data.listing.files.paths) == 9
    Path("bare.csv").write_text("Pictures\n\n" + rows)
    with pytest.raises(DataError, match=r"bare\.csv:3: the table seems to begin in this line; remove the lines above"):
        datasets.build("image_csv", file="bare.csv", path=0, label=1)
    Path("bare.csv").write_text(rows)
    assert datasets.build("image_csv", file="bare.csv", path=0, label=1, header=False) is not None


def test_a_workbook_with_a_title_is_read_from_the_row_that_is_named() -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["Report"], [], ["day", "store", "sold"], *([day, store, float(sold)] for day, store, sold in ROWS)):
        book.active.append(row)
    book.save("r.xlsx")
    with pytest.raises(DataError, match=r"r\.xlsx:3: .*set dataset\.header: 3"):
        datasets.build("csv", file="r.xlsx", **OPTIONS["csv"])
    data = datasets.build("csv", file="r.xlsx", **OPTIONS["csv"], header=3)
    assert [float(cell) for cell in data.frame["sold"]] == SOLD


CONFIG = """\
dataset: {{name: {name}, file: r.csv, {more}}}
model: linear
{task}train: {{epochs: 1}}
logging: {{tensorboard: false, samples: false, pictures: false}}
"""


@pytest.mark.parametrize("name", OPTIONS)
def test_new_files_are_read_with_and_without_a_title(cnncli: Run, name: str) -> None:
    title = "Sales report\n\n"
    Path("r.csv").write_text(title + table())
    more, task, command = ("target: sold, ignore: [day], header: 3", "task: regression\n", ["predict"])
    if name == "series_csv":
        more, task, command = "header: 3, window: 3, horizon: 2, period: 2", "", ["forecast", "--json"]
    Path("c.yaml").write_text(CONFIG.format(name=name, more=more, task=task))
    assert cnncli("train", "c.yaml", "--name", "a/one").code == 0
    found = []
    for above in (title, "", "Another\ntitle\n\n\n", "sep=,\n"):
        Path("new.csv").write_text(above + table())
        asked = ["new.csv"] if name == "csv" else ["--csv", "new.csv"]
        answer = cnncli(*command, "--ckpt", "runs/a/one", *asked)
        assert answer.code == 0, answer.err
        found.append(answer.out.replace("new.csv", ""))
    assert len(set(found)) == 1
