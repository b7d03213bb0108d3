"""Samples of a run that changed since it began: labels, contents and places, and what each command advises."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cnncli.runs.checkpoint import load_checkpoint
from tests.conftest import Answer, make_pictures

Cli = Callable[..., Answer]
QUIET = "train: {epochs: 1}\nlogging: {tensorboard: false, samples: false, pictures: false}\n"
TAIL = f"model: {{name: mlp, hidden: [8]}}\n{QUIET}"
COMMON = "image_size: 8, batch_size: 16, test_fraction: 0.3"
FOLDER = f"dataset: {{name: image_folder, root: photos, {COMMON}}}\n{TAIL}"
RUN = "runs/one/one"


def write_listing(rows: dict[str, str]) -> None:
    Path("photos/list.csv").write_text("\n".join(["path,label", *(f"{k},{v}" for k, v in rows.items())]) + "\n")


def train(cnncli: Cli, text: str) -> None:
    Path("config.yaml").write_text(text)
    answer = cnncli("train", "config.yaml", "--name", "one/one")
    assert answer.code == 0, answer.err


def evaluated(cnncli: Cli, *words: str) -> Answer:
    return cnncli("eval", "--ckpt", f"{RUN}/best.pt", "--json", *words)


def samples(answer: Answer) -> int:
    assert answer.code == 0, answer.err
    count: int = answer.json["metrics"]["test"]["n"]
    return count


def known(split: str) -> list[str]:
    members = load_checkpoint(Path(RUN, "best.pt")).members
    assert members is not None
    return [members.names[row] for row in members.of(split)]  # type: ignore[arg-type]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_pictures_that_moved_to_another_class_are_named(cnncli: Cli, split: str) -> None:
    make_pictures(Path("photos"), {"ants": 20, "bees": 20})
    train(cnncli, FOLDER)
    assert "another label" not in evaluated(cnncli).err
    moved = [name for name in known(split) if name.startswith("ants/")]
    assert moved
    for number, name in enumerate(moved):
        Path("photos", name).rename(f"photos/bees/m{number}.png")
    answer = evaluated(cnncli)
    assert f"photos: {len(moved)} pictures have another label than in the run (bees/m0.png" in answer.err
    assert samples(answer) == 12
    resumed = cnncli("train", "--resume", RUN, "train.epochs=2")
    assert f"{len(moved)} pictures have another label than in the run" in resumed.err
    assert resumed.code == 0


@pytest.mark.parametrize(
    ("task", "before", "after"),
    [
        ("classification", ["x", "y"], {"x": "y", "y": "x"}),
        ("multilabel", ["x|z", "y"], {"x|z": "x", "y": "y|z"}),
        ("regression", ["1.5", "2"], {"1.5": "1.25", "2": "3"}),
    ],
)
def test_other_labels_in_a_table_of_pictures_are_named(
    cnncli: Cli, task: str, before: list[str], after: dict[str, str]
) -> None:
    make_pictures(Path("photos"), {"p": 40})
    rows = {f"p/{i:03d}.png": before[i % 2] for i in range(40)}
    write_listing(rows)
    train(cnncli, f"dataset: {{name: image_csv, file: photos/list.csv, {COMMON}}}\ntask: {task}\n{TAIL}")
    assert "another label" not in evaluated(cnncli).err
    changed = known("test")[:3] + known("train")[:1]
    write_listing({name: after[label] if name in changed else label for name, label in rows.items()})
    answer = evaluated(cnncli)
    assert samples(answer) == 12
    assert "list.csv: 4 pictures have another label than in the run (" in answer.err
    assert all(name in answer.err for name in known("train")[:1])


def test_another_label_of_a_row_with_a_key_is_named(cnncli: Cli) -> None:
    rows = [f"k{i},{i % 13},{i % 5},{'yes' if i % 3 else 'no'}" for i in range(150)]
    Path("rows.csv").write_text("\n".join(["id,a,b,label", *rows]) + "\n")
    train(cnncli, f"dataset: {{name: csv, file: rows.csv, target: label, key: id, batch_size: 32}}\n{TAIL}")
    rows[3], rows[4] = rows[3].replace("no", "yes"), "k4,4,0,yes"  # another label; another value of a feature
    Path("rows.csv").write_text("\n".join(["id,a,b,label", *rows]) + "\n")
    answer = evaluated(cnncli)
    assert "rows.csv: 2 rows have another content than in the run (" in answer.err
    assert "rows.csv: 1 rows have another label than in the run (k3)" in answer.err


def encode_anew(paths: list[Path]) -> None:
    for path in paths:
        with Image.open(path) as picture:
            picture.load()
            picture.save(path, compress_level=0)


def test_a_picture_was_trained_on_if_it_lies_where_one_of_training_lay(cnncli: Cli) -> None:
    make_pictures(Path("photos/train"), {"ants": 20, "bees": 20})
    train(cnncli, FOLDER)
    trained = len(known("train"))
    encode_anew(sorted(Path("photos").rglob("*.png")))
    for place in ("photos", "photos/train", str(Path("photos").absolute())):
        answer = evaluated(cnncli, "--data", place)
        assert samples(answer) == 40 - trained
        assert f"{trained} of 40 pictures were trained on and are left out" in answer.err
        judged = f"{len(known('val'))} of the {40 - trained} pictures that are judged were validation, which picked"
        assert f"note: {place}: {judged} the best epoch" in answer.err
    table = cnncli("eval", RUN, "--data", "photos").out
    assert f"photos  {40 - trained}" in " ".join(table.replace("\t", "  ").split(" "))
    assert "on photos" in table
    assert "test" not in table


def test_in_a_copy_the_same_paths_count_where_one_picture_is_unchanged(cnncli: Cli) -> None:
    make_pictures(Path("photos"), {"ants": 20, "bees": 20})
    train(cnncli, FOLDER)
    trained = known("train")
    shutil.copytree("photos", "copy")
    encode_anew([Path("copy", name) for name in trained[1:]])
    answer = evaluated(cnncli, "--data", "copy")
    assert samples(answer) == 40 - len(trained)
    make_pictures(Path("others"), {"ants": 20, "bees": 20}, seed=9)  # with the same names, none of them the same
    answer = evaluated(cnncli, "--data", "others")
    assert samples(answer) == 40
    assert f"{len(trained)} pictures have the paths of training pictures and another content" in answer.err


def test_a_folder_in_which_all_was_replaced_is_judged_from_another_folder(cnncli: Cli) -> None:
    make_pictures(Path("photos"), {"ants": 20, "bees": 20})
    train(cnncli, FOLDER)
    for name in set(known("val") + known("test")):
        Path("photos", name).unlink()
    answer = evaluated(cnncli, "--data", "photos")
    assert answer.code == 3
    assert "all pictures were trained on, by their path or by their content; name data that the network" in answer.err


def numbers(path: str, seed: int, rows: int = 90) -> None:
    values = [f"{(i * 37 + seed * 11) % 97},{(i * 53 + seed) % 89},{'ab'[(i + seed) % 2]}" for i in range(rows)]
    Path(path).write_text("\n".join(["p,q,label", *values]) + "\n")


def series(path: str, seed: int, rows: int = 120) -> None:
    Path(path).write_text("\n".join(["value", *(str((i * i * 7 + seed) % 23) for i in range(rows))]) + "\n")


def pictures(path: str, seed: int) -> None:
    shutil.rmtree(path, ignore_errors=True)
    make_pictures(Path(path), {"ants": 8, "bees": 8}, seed=seed)
    for file in Path(path).rglob("*.png"):
        file.rename(file.with_name(f"{seed}_{file.name}"))


KINDS = {
    "table": (numbers, "data.csv", f"dataset: {{name: csv, file: data.csv, target: label}}\n{TAIL}", "file"),
    "series": (series, "data.csv",
               f"dataset: {{name: series_csv, file: data.csv, window: 6, horizon: 2}}\nmodel: linear\n{QUIET}", "file"),
    "pictures": (pictures, "photos", FOLDER, "root"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_of_the_run_is_there_each_command_says_what_helps(cnncli: Cli, kind: str) -> None:
    write, place, text, key = KINDS[kind]
    write(place, 1)
    train(cnncli, text)
    shutil.move(place, f"old_{place}")
    write(place, 2)
    resume = ["train", "--resume", RUN, "train.epochs=2"]
    resumed, judged = cnncli(*resume), evaluated(cnncli)
    assert (resumed.code, judged.code) == (3, 3)
    for answer in (resumed, judged):
        assert "; set dataset.path" in answer.err
    assert "eval" not in resumed.err
    start = re.search(r"start a new run from its weights: (train\.start_from=\S+)", resumed.err)
    assert start is not None
    assert cnncli("train", "config.yaml", start[1]).code == 0
    others = re.search(r"judge others: cnncli (eval .*) PLACE", judged.err)
    assert others is not None
    write("more.csv" if key == "file" else "more", 3)
    other = cnncli(*shlex.split(others[1]), "more.csv" if key == "file" else "more")
    assert other.code == 0, other.err
    assert evaluated(cnncli, f"dataset.{key}=old_{place}").code == 0
    assert cnncli(*resume, f"dataset.{key}=old_{place}").code == 0


def test_a_folder_without_a_training_part_is_refused_with_what_helps_each_command(cnncli: Cli) -> None:
    make_pictures(Path("photos"), {"ants": 8, "bees": 8})
    make_pictures(Path("new/test"), {"ants": 8, "bees": 8}, seed=3)
    train(cnncli, FOLDER)
    trained = cnncli("train", "config.yaml", "dataset.root=new")
    assert trained.code == 3
    assert "new: has test but no train folder; add one" in trained.err
    assert "eval" not in trained.err
    judged = evaluated(cnncli, "dataset.root=new")
    assert "judge others: cnncli eval --ckpt runs/one/one/best.pt --data PLACE" in judged.err
    assert samples(evaluated(cnncli, "--data", "new")) == 16
