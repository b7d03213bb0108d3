"""``eval --by``: slices of tables, pictures and several series, and what is said where there are none."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

import cnncli as api
from tests.conftest import ROOT, Answer, make_pictures

Cli = Callable[..., Answer]
QUIET = ("logging.tensorboard=false", "logging.pictures=false", "baselines=none")


def error(answer: Answer) -> str:
    """What is said last, after the note on which checkpoint a name stands for."""
    assert answer.code == 3
    return answer.err.splitlines()[-1]


def houses() -> str:
    """The table of docs/questions.md: the prices at the harbour vary most."""
    draw = random.Random(1)
    lines = ["rooms,area,district,price"]
    for number in range(400):
        rooms = draw.randint(1, 7)
        area = rooms * 22 + draw.gauss(0, 8)
        district = ["north", "south", "harbour"][number % 3] if number % 25 else ""
        price = 3 * area + 20 * rooms + draw.gauss(0, 40 if district == "harbour" else 12)
        lines.append(f"{rooms},{area:.1f},{district},{price:.1f}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def table(tmp_path: Path, cnncli: Cli) -> Path:
    """A run called houses, whose network is not told the district."""
    Path("houses.csv").write_text(houses())
    dataset = {"name": "csv", "path": "houses.csv", "target": "price", "ignore": ["district"]}
    config = {"name": "houses", "dataset": dataset, "model": "mlp", "task": "regression", "train": {"epochs": 30}}
    Path("houses.yaml").write_text(yaml.safe_dump(config))
    answer = cnncli("train", "houses.yaml", *QUIET)
    assert answer.code == 0, answer.err
    assert "95 % interval of rmse on test (80 samples): " in answer.out
    return tmp_path


def test_a_column_that_is_no_input_makes_slices_and_unknown_ones_are_one_line(table: Path, cnncli: Cli) -> None:
    page = (ROOT / "docs" / "questions.md").read_text()
    assert "cnncli eval houses --by district" in page
    answer = cnncli("eval", "houses", "--by", "district")
    begin = answer.out.index("By district, the worst rmse first")
    _, heading, *rows = answer.out[begin:].splitlines()
    shown = [row.split("\t") for row in rows]
    assert [row[:2] for row in shown[:1]] == [["harbour", "16"]]
    assert {row[0] for row in shown} == {"harbour", "north", "south", "(missing)"}
    printed = [line.split() for line in page[page.index("By district, the worst") :].splitlines()[1:7]]
    assert printed[0] == heading.replace("\t", " ").split()
    assert {(row[0], row[1]) for row in printed[2:]} == {(row[0], row[1]) for row in shown}

    found = cnncli("eval", "houses", "--by", "rooms", "--json").json
    assert found["slices"]["metric"] == "rmse"
    assert {row["slice"] for row in found["slices"]["rows"]} == set("1234567")
    assert sum(row["n"] for row in found["slices"]["rows"]) == found["metrics"]["test"]["n"]
    low, high = found["interval"]
    assert low < found["metrics"]["test"]["rmse"] < high
    assert (
        "different numbers: it is cut into 5 groups at its quantiles." in cnncli("eval", "houses", "--by", "area").out
    )

    told = error(cnncli("eval", "houses", "--by", "distrct"))
    assert told == "error: houses.csv: there is no column 'distrct' to slice by; did you mean 'district'?"
    looks = cnncli("eval", "houses", "--json").json["test_looks"]
    assert looks == 5  # a column that is not there costs no look
    report = api.evaluate("runs/houses", by="district", quiet=True)._repr_html_()
    assert "By district, the worst rmse first" in report
    assert "95 % interval of rmse on test" in report


def test_folders_below_the_classes_are_slices_and_without_them_the_way_there_is_told(
    tmp_path: Path, cnncli: Cli
) -> None:
    for camera, folder in (("near", "a"), ("far", "b/c")):
        for number, name in enumerate(("cat", "dog")):
            made = make_pictures(tmp_path / camera, {name: 8}, seed=number + (camera == "far") * 7)
            target = tmp_path / "photos" / name / folder
            target.parent.mkdir(parents=True, exist_ok=True)
            (made / name).rename(target)
    dataset = {"name": "image_folder", "path": "photos", "image_size": 8, "val_fraction": 0.25, "test_fraction": 0.5}
    Path("photos.yaml").write_text(yaml.safe_dump({"dataset": dataset, "model": "mlp", "train": {"epochs": 1}}))
    assert cnncli("train", "photos.yaml", *QUIET).code == 0
    rows = cnncli("eval", "photos", "--by", "folder", "--json").json["slices"]["rows"]
    assert {row["slice"] for row in rows} == {"a", "b/c"}
    assert sum(row["n"] for row in rows) == 16
    wrong = error(cnncli("eval", "photos", "--by", "camera"))
    assert wrong == "error: photos: there is no column 'camera' to slice by; known: folder"

    flat = make_pictures(tmp_path / "flat", {"cat": 3, "dog": 3})
    told = error(cnncli("eval", "photos", "--data", flat, "--by", "folder"))
    assert "flat: all pictures lie in the class folders themselves" in told
    (flat / "cat" / "site1").mkdir()  # the advice helps
    picture = next((flat / "cat").glob("*.*"))
    picture.rename(flat / "cat" / "site1" / picture.name)
    rows = cnncli("eval", "photos", "--data", flat, "--by", "folder", "--json").json["slices"]["rows"]
    assert {row["slice"]: row["n"] for row in rows} == {"site1": 1, ".": 5}


def test_a_table_of_pictures_has_slices_by_columns_and_by_folders(tmp_path: Path, cnncli: Cli) -> None:
    make_pictures(tmp_path / "one", {"cat": 8, "dog": 8})
    files = sorted((tmp_path / "one").rglob("*.png"))
    lines = [f"{f.relative_to(tmp_path)},{f.parent.name},{n % 4},{'ab'[n % 2]}" for n, f in enumerate(files)]
    splits = ["train", "train", "val", "test"]
    rows = [f"{line},{splits[n // 2 % 4]}" for n, line in enumerate(lines)]
    Path("list.csv").write_text("\n".join(["path,label,week,site,split", *rows]) + "\n")
    dataset = {"name": "image_csv", "path": "list.csv", "image_size": 8, "split_column": "split"}
    Path("list.yaml").write_text(yaml.safe_dump({"dataset": dataset, "model": "mlp", "train": {"epochs": 1}}))
    assert cnncli("train", "list.yaml", *QUIET).code == 0
    for by, names in (("site", {"a", "b"}), ("week", {"2", "3"}), ("folder", {"one/cat", "one/dog"})):
        found = cnncli("eval", "list", "--by", by, "--json").json["slices"]
        assert {row["slice"] for row in found["rows"]} == names, by
    assert "did you mean 'site'?" in error(cnncli("eval", "list", "--by", "sites"))


def test_data_without_columns_and_folders_say_so(tiny: Path, cnncli: Cli) -> None:
    assert cnncli("train", tiny, *QUIET).code == 0
    told = error(cnncli("eval", "tiny", "--by", "folder"))
    assert told.startswith("error: digits: has neither columns nor folders, so that there is no 'folder' to slice by; ")


def test_several_series_have_slices_by_the_column_that_tells_them_apart(tmp_path: Path, cnncli: Cli) -> None:
    draw = random.Random(0)
    lines = [
        f"{store},{date(2024, 1, 1) + timedelta(day)},{draw.gauss(50, 5 if store == 'x' else 15):.1f}"
        for store in ("x", "y")
        for day in range(120)
    ]
    Path("sales.csv").write_text("\n".join(["store,date,sold", *lines]) + "\n")
    dataset = {"name": "series_csv", "path": "sales.csv", "series": "store", "window": 6, "horizon": 2}
    config = {"dataset": dataset, "model": "mlp", "task": "forecasting", "train": {"epochs": 1}}
    Path("sales.yaml").write_text(yaml.safe_dump(config))
    trained = cnncli("train", "sales.yaml", *QUIET)
    assert trained.code == 0, trained.err
    found = cnncli("eval", "sales", "--by", "store", "--json").json
    assert found["slices"]["metric"] == "mae"  # MASE of several series is of the whole
    assert [row["slice"] for row in found["slices"]["rows"]] == ["y", "x"]
    told = error(cnncli("eval", "sales", "--by", "sold"))
    assert told == "error: sales.csv: there is no column 'sold' to slice by; known: store"
