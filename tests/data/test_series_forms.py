"""Numbers of series as people write them: read by the forms of tables, stated or found, and the advice helps."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cnncli.core.errors import DataError
from cnncli.core.notices import collecting
from cnncli.core.registry import datasets
from tests.conftest import Answer
from tests.data.made_series import DAYS, build, kinds

Run = Callable[..., Answer]
VALUES = [float(1000 + 37 * n) for n in range(len(DAYS))]


def write(texts: list[str], mark: str = ";") -> None:
    rows = "".join(f"{day}{mark}{text}\n" for day, text in zip(DAYS, texts, strict=True))
    Path("s.csv").write_text(f"when{mark}sold\n{rows}")


FORMS = {
    "1.234,5": lambda v: f"{v + 0.5:,}".translate(str.maketrans(",.", ".,")),
    "1,234.5": lambda v: f"{v + 0.5:,}",
    "1 234,5": lambda v: f"{v + 0.5:,}".translate(str.maketrans(",.", " ,")),
    "1234,5": lambda v: f"{v + 0.5}".replace(".", ","),
    "1234.5 %": lambda v: f"{v + 0.5} %",
    "$1,234.50": lambda v: f"${v + 0.5:,.2f}",
    "1234.5 €": lambda v: f"{v + 0.5} €",
}


@pytest.mark.parametrize("form", FORMS)
def test_numbers_are_read_in_the_form_of_the_column_as_tables_read_them(form: str) -> None:
    write([FORMS[form](value) for value in VALUES])
    data, told = build()
    assert data.columns == ("sold",)
    assert data.values[:, 0].tolist() == [value + 0.5 for value in VALUES]
    if form != "1234,5":
        with collecting() as of_table:
            raw = datasets.build("csv", file="s.csv", target="when", features=["sold"])
            assert raw.frame["sold"].iloc[0] == FORMS[form](VALUES[0])
        assert "numbers_as_text" in kinds(told)
        assert {each.kind for each in of_table} <= set(kinds(told))


def test_commas_that_could_be_either_are_asked_for_and_either_advice_helps() -> None:
    write([f"{value:,.0f}" for value in VALUES])
    with pytest.raises(DataError) as refused:
        build()
    keys = re.findall(r"dataset\.(decimal|thousands): ','", str(refused.value))
    assert (str(refused.value).partition(": ")[0], keys) == ("s.csv:2", ["decimal", "thousands"])
    assert build(thousands=",")[0].values[:, 0].tolist() == VALUES
    assert build(decimal=",")[0].values[:, 0].tolist() == [value / 1000 for value in VALUES]


def test_the_notices_of_points_and_commas_name_keys_that_help() -> None:
    texts = [f"{value:,.0f}".replace(",", ".") for value in VALUES]
    write([*texts[:-1], "950"])
    data, told = build()
    assert "set dataset.thousands: '.'" in next(each.text for each in told if each.kind == "points")
    assert data.values[:2, 0].tolist() == [1.0, 1.037]
    data, told = build(thousands=".")
    assert data.values[:, 0].tolist() == [*VALUES[:-1], 950]
    assert "points" not in kinds(told)
    write([f"{value / 8}".replace(".", ",") for value in VALUES])
    _, told = build()
    assert "dataset.decimal" in next(each.text for each in told if each.kind == "decimal")
    data, told = build(decimal=",")
    assert data.values[:, 0].tolist() == [value / 8 for value in VALUES]
    assert told == [each for each in told if each.kind == "delimiter"]


def test_a_cell_in_no_form_is_named_with_its_line() -> None:
    texts = [f"{value:,.2f}" for value in VALUES]
    texts[5] = "much"
    write(texts)
    with pytest.raises(DataError, match=r"s\.csv:7: column 'sold' has 'much' where a number is expected; .*na_values"):
        build()
    data, _ = build(na_values=("much",), gaps="interpolate")
    assert data.values[5, 0] == pytest.approx(VALUES[5])


CONFIG = """\
dataset: {name: series_csv, file: s.csv, window: 4, horizon: 2, period: 2, thousands: "."}
model: linear
train: {epochs: 1}
logging: {tensorboard: false, samples: false, pictures: false}
"""


def test_the_command_line_reads_and_checks_them(cnncli: Run) -> None:
    texts = [f"{value:,.0f}".replace(",", ".") for value in VALUES]
    write([*texts[:-1], "950"])
    Path("s.yaml").write_text(CONFIG)
    assert cnncli("data", "check", "s.yaml").code == 0
    assert cnncli("train", "s.yaml", "--name", "a/one").code == 0
    Path("new.csv").write_text(Path("s.csv").read_text())
    ahead = [
        cnncli("forecast", "--ckpt", "runs/a/one", "--json", *more).json["rows"] for more in ([], ["--csv", "new.csv"])
    ]
    assert ahead[0] == ahead[1]
    assert ahead[0][0]["sold"] > 100


def test_a_column_that_is_new_to_a_checkpoint_is_left_out_as_the_advice_says(cnncli: Run) -> None:
    write([f"{value}" for value in VALUES], ",")
    Path("s.yaml").write_text(CONFIG.replace(', thousands: "."', ""))
    assert cnncli("train", "s.yaml", "--name", "a/one").code == 0
    lines = Path("s.csv").read_text().splitlines()
    Path("s.csv").write_text("\n".join([f"{lines[0]},change", *(f"{line},{n} %" for n, line in enumerate(lines[1:]))]))
    answer = cnncli("eval", "--ckpt", "runs/a/one")
    assert answer.code == 3
    assert answer.err.strip().endswith("the checkpoint was trained on sold; set dataset.columns: [sold]")
    assert cnncli("eval", "--ckpt", "runs/a/one", "dataset.columns=[sold]").code == 0
    assert cnncli("forecast", "--ckpt", "runs/a/one").code == 0
