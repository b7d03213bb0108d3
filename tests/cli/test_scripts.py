"""Class names, column names and file names in five scripts: every command, from pictures and tables to answers."""

import csv
import io
import random
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from rich.cells import cell_len
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cnncli.cli.console import print_table
from cnncli.inference.rows import format_rows
from tests.conftest import Answer, make_pictures

Cli = Callable[..., Answer]
SCRIPTS = {
    "chinese": ("昆蟲", "螞蟻", "蝴蝶與蛾"),
    "arabic": ("حشرات", "نملة", "فراشة"),
    "russian": ("насекомые", "муравей", "ёж"),
    "japanese": ("虫の種類", "アリ", "チョウと蛾"),
    "emoji": ("🐛", "🐜", "👨‍👩‍👧🦋"),
}
each_script = pytest.mark.parametrize("names", SCRIPTS.values(), ids=SCRIPTS)


def succeeded(answer: Answer, *needs: str) -> Answer:
    """``answer`` of a command that was fine, has all that it ``needs``, and lost no character."""
    assert answer.code == 0, answer.err
    for text in needs:
        assert text in answer.out, text
    assert "?" not in (answer.out + answer.err).replace("known beforehand?", "")
    assert "\\u" not in answer.out + answer.err
    return answer


@pytest.mark.slow
@each_script
def test_pictures_from_the_flat_folder_to_a_network_that_learned_on(names: tuple[str, ...], cnncli: Cli) -> None:
    what, *classes = names
    made = make_pictures(Path("made"), dict.fromkeys(classes, 12))
    flat = Path(f"{what} 1")
    flat.mkdir()
    for path in sorted(made.glob("*/*.png")):
        path.rename(flat / f"{path.parent.name}.{path.name}")
    folder, config = Path(f"{what}_2"), Path(f"{what}.yaml")
    succeeded(cnncli("data", "split", flat, folder, "--val", 0.2, "--test", 0.2), *classes, str(folder))
    succeeded(cnncli("data", "check", folder), *classes)
    proposed = succeeded(cnncli("init", folder), *classes, str(folder)).out
    config.write_text(proposed, encoding="utf-8")
    assert succeeded(cnncli("config", config), f"name: {what}", str(folder))
    small = "dataset={name: image_folder, image_size: 8, root: " + str(folder) + "}"
    quick = [small, "model=lenet5", "train.epochs=1", "scheduler=constant", "finetune=null", "loss=cross_entropy"]
    succeeded(cnncli("train", config, *quick, "dataset.image_size=12"), f"runs/{what}/")
    (run,) = Path("runs", what).iterdir()
    assert (run / "samples.png").is_file()
    events = EventAccumulator(str(run))
    events.Reload()
    assert "final/1_test_accuracy" in events.Tags()["scalars"]
    succeeded(cnncli("eval", "--ckpt", run), *classes)
    succeeded(cnncli("inspect", "--ckpt", run))
    succeeded(cnncli("data", "show", config, "--out", f"{what}.png"), f"{what}.png")
    rows = succeeded(cnncli("predict", "--ckpt", run, folder / "test", "--format", "csv")).out
    assert {row["prediction"] for row in csv.DictReader(io.StringIO(rows))} <= set(classes)
    asked = succeeded(cnncli("predict", "--ckpt", run, folder / "test", "--top-k", 2), *classes)
    starts = {cell_len(line[: line.rindex("  ")]) for line in asked.out.splitlines()}
    assert len(starts) == 1  # of the last column
    best = run / "best.pt"
    tuned = cnncli("finetune", "--from", best, "--data", folder, "--name", f"{what}/{what}", "train.epochs=1", "--json")
    assert succeeded(tuned).json["best"] == f"runs/{what}/{what}/best.pt"
    assert succeeded(cnncli("eval", "--ckpt", f"runs/{what}/{what}", "--json")).json["metrics"]
    succeeded(cnncli("data", "undo", folder))


@each_script
def test_tables_whose_columns_and_classes_have_such_names(names: tuple[str, ...], cnncli: Cli) -> None:
    what, *classes = names
    draw = random.Random(0)
    rows = [[f"{i % 2 * 5 + draw.random():.3f}", f"{draw.random():.3f}", classes[i % 2]] for i in range(60)]
    with open(f"{what}.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[what, f"{what}2", f"{what} 3"], *rows])
    config = Path(f"{what}.yaml")
    config.write_text(
        f"dataset: {{name: csv, file: {what}.csv, target: {what} 3, test_fraction: 0.2}}\n"
        "model: {name: mlp, hidden: [4]}\n"
        "train: {epochs: 1}\nlogging: {tensorboard: false, samples: false, pictures: false}\n",
        encoding="utf-8",
    )
    succeeded(cnncli("data", "check", f"{what}.csv"))
    succeeded(cnncli("data", "check", config), *classes)
    succeeded(cnncli("train", config, "--name", f"{what}/1"), f"runs/{what}/1/best.pt")
    succeeded(cnncli("eval", "--ckpt", f"runs/{what}/1"), *classes)
    answer = succeeded(cnncli("predict", "--ckpt", f"runs/{what}/1", f"{what}.csv", "--format", "json"), *classes)
    assert {row["prediction"] for row in answer.json} <= set(classes)
    table = succeeded(cnncli("predict", "--ckpt", f"runs/{what}/1", f"{what}.csv", "--format", "table"), f"{what} 3")
    header, *lines = table.out.splitlines()
    start = cell_len(header[: header.index("prediction")])
    assert all(cell_len(line[: line.rindex(next(c for c in classes if c in line))]) for line in lines)
    assert {cut(line, start)[:2] for line in lines} <= {name[:2] for name in classes}


def cut(line: str, cells: int) -> str:
    """What stands in a line behind so many cells of the terminal."""
    end = next(i for i in range(len(line) + 1) if cell_len(line[:i]) >= cells)
    return line[end:]


MIXED = ["ant", "昆蟲與蛾", "حشرات", "насекомые", "虫の種類", "🐜", "👨‍👩‍👧", "한국어", "é"]


# at 45 columns the escapes of other encodings are wider than a line, so that each row becomes lines of its own
@pytest.mark.parametrize(
    ("encoding", "width"), [("utf-8", 45), *product(["utf-8", "cp936", "cp1252", "ascii"], [80, 120])]
)
def test_a_table_is_aligned_by_the_width_of_its_characters(
    encoding: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="as_stored", newline="")
    monkeypatch.setattr("sys.stdout", output)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    print_table("", ["class", "蛾", "n"], [[name, str(number), "Q"] for number, name in enumerate(MIXED)])
    output.flush()
    assert isinstance(output.buffer, io.BytesIO)
    shown = [line for line in output.buffer.getvalue().decode(encoding).splitlines() if line.strip()]
    plain = [without_style(line) for line in shown]
    assert len({cell_len(line) for line in plain}) == 1
    assert cell_len(plain[0]) <= width
    ends = {cell_len(line.rstrip()) for line in plain if line.rstrip().endswith("Q")}
    assert len(ends) == 1
    assert len([line for line in plain if line.rstrip().endswith("Q")]) == len(MIXED)


def without_style(line: str) -> str:
    return "".join(part.partition("m")[2] if i else part for i, part in enumerate(line.split("\x1b[")))


def test_rows_for_reading_are_aligned_by_the_width_of_their_characters() -> None:
    lines = format_rows([{"蛾": name, "n": 7} for name in MIXED], "table").splitlines()
    assert {cell_len(line) for line in lines} == {cell_len("насекомые") + 3}
