"""Splits that are remembered, for every kind of data, and judging data that lie elsewhere."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import DataError
from cnncli.core.notices import collecting
from cnncli.data.bundle import DataBundle, build_data
from cnncli.data.sources import FileSource
from cnncli.data.splits import carve
from tests.conftest import Answer, make_pictures

Cli = Callable[..., Answer]
Write = Callable[..., Path]
TAIL = "logging: {tensorboard: false, samples: false, pictures: false}\n"
FOLDER = (
    "dataset: {name: image_folder, root: photos, image_size: 8, batch_size: 16, test_fraction: 0.3}\n"
    f"model: {{name: mlp, hidden: [8]}}\ntrain: {{epochs: 1}}\n{TAIL}"
)
SERIES = (
    "dataset: {name: series_csv, file: series.csv, window: 6, horizon: 3, period: 4}\n"
    f"model: linear\ntrain: {{epochs: 1}}\n{TAIL}"
)
TEXT = (
    f"dataset: {{name: text, path: tale.txt, block: 8}}\nmodel: {{name: lstm, hidden: 4}}\ntrain: {{epochs: 1}}\n{TAIL}"
)


def train(cnncli: Cli, write_config: Write, text: str) -> Answer:
    answer = cnncli("train", write_config(text), "--name", "one/one", "--json")
    assert answer.code == 0, answer.err
    return answer


def metrics(answer: Answer) -> dict[str, float]:
    assert answer.code == 0, answer.err
    found: dict[str, float] = answer.json["metrics"]["test"]
    return found


def evaluated(cnncli: Cli, *words: str) -> Answer:
    return cnncli("eval", "--ckpt", "runs/one/one/best.pt", "--json", *words)


def bundle(**settings: object) -> DataBundle:
    config = DatasetConfig.model_validate({"name": "image_folder", "image_size": 16, "workers": 0, **settings})
    return build_data(config, lambda items, *_: items)


def files(data: DataBundle) -> dict[str, set[str]]:
    found = {}
    for split in data.sources:
        config = data.config.model_copy(update={"memory": "never"})
        source = build_data(config, lambda items, *_: items).sources[split]
        assert isinstance(source, FileSource)
        found[split] = {path.name for path in source.paths}
    return found


def patterned(root: Path, count: int) -> None:
    """Pictures of coarse noise, of which none looks like another."""
    for number, name in enumerate(("cat", "dog")):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            pixels = torch.randint(0, 256, (8, 8, 3), generator=torch.Generator().manual_seed(1000 * number + i))
            image = Image.fromarray(pixels.byte().numpy()).resize((64, 64), Image.Resampling.NEAREST)
            image.save(root / name / f"{i:03d}.jpg", quality=95)


def test_copies_stay_on_one_side(tmp_path: Path) -> None:
    patterned(tmp_path / "set", 20)
    for path in sorted((tmp_path / "set").rglob("*.jpg")):
        with Image.open(path) as image:
            image.convert("RGB").save(path.with_name(f"{path.stem}_small.jpg"), quality=60)
        shutil.copy(path, path.with_name(f"{path.stem}_copy.jpg"))
    found = files(bundle(root=str(tmp_path / "set"), val_fraction=0.2, test_fraction=0.25))
    sides = {split: {name[:3] for name in names} for split, names in found.items()}
    by_class = {  # cat/003 and dog/003 are different pictures
        split: {(path.parent.name, path.name[:3]) for path in _paths(tmp_path / "set", split)} for split in sides
    }
    assert not by_class["train"] & by_class["val"]
    assert not by_class["train"] & by_class["test"]
    assert not by_class["val"] & by_class["test"]
    assert 20 <= len(_paths(tmp_path / "set", "test")) <= 36


def _paths(root: Path, split: str) -> list[Path]:
    source = bundle(root=str(root), val_fraction=0.2, test_fraction=0.25, memory="never").sources[split]  # type: ignore[index]
    assert isinstance(source, FileSource)
    return list(source.paths)


def test_without_copies_a_split_is_the_one_it_always_was() -> None:
    targets = torch.arange(200) % 3
    for fraction in (0.1, 0.37):
        plain, grouped = carve(targets, fraction, 4), carve(targets, fraction, 4, groups=torch.arange(200))
        assert all(map(torch.equal, plain, grouped))
        plain, grouped = (carve(targets.double(), fraction, 4, groups=groups) for groups in (None, torch.arange(200)))
        assert all(map(torch.equal, plain, grouped))


def test_a_group_that_is_larger_than_the_split_stays_and_is_said() -> None:
    groups = torch.tensor([0] * 30 + list(range(1, 71)))
    with collecting() as found:
        kept, taken = carve(torch.zeros(100, dtype=torch.long), 0.1, 0, groups=groups)
    assert set(range(30)) <= set(kept.tolist())
    assert len(taken) == 10
    assert [notice.kind for notice in found] == ["large_group"]


def test_groups_stay_together_by_pattern_and_by_column(tmp_path: Path) -> None:
    patterned(tmp_path / "set", 40)
    for path in sorted((tmp_path / "set").rglob("*.jpg")):
        path.rename(path.with_name(f"patient{int(path.stem) // 4}_{path.stem}.jpg"))
    found = files(bundle(root=str(tmp_path / "set"), val_fraction=0.25, group=r"(patient\d+)_"))
    patients = {split: {name.partition("_")[0] for name in names} for split, names in found.items()}
    assert not patients["train"] & patients["val"]
    with pytest.raises(DataError, match=r"finds nothing in '.*'; change it"):
        bundle(root=str(tmp_path / "set"), group=r"(nobody)")
    lines = ["path,label,who"]
    for path in sorted((tmp_path / "set").rglob("*.jpg")):
        lines.append(
            f"{path.relative_to(tmp_path / 'set').as_posix()},{path.parent.name},{path.name.partition('_')[0]}"
        )
    (tmp_path / "set" / "list.csv").write_text("\n".join(lines) + "\n")
    listed = {"name": "image_csv", "file": str(tmp_path / "set" / "list.csv"), "val_fraction": 0.25}
    found = files(bundle(**listed, group="who"))
    patients = {split: {name.partition("_")[0] for name in names} for split, names in found.items()}
    assert not patients["train"] & patients["val"]


def test_rows_of_a_group_stay_together(tmp_path: Path) -> None:
    rows = [f"{i},{i % 7},{i // 5},{'yes' if i % 2 else 'no'}" for i in range(200)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,who,label", *rows]) + "\n")
    config = {"name": "csv", "file": "rows.csv", "target": "label", "group": "who", "ignore": [], "normalize": "none"}
    data = build_data(DatasetConfig.model_validate(config), lambda items, *_: items)
    groups = {}
    for split, source in data.sources.items():
        groups[split] = {int(source[i][0]) // 5 for i in range(len(source))}
    assert not groups["train"] & groups["val"]
    assert not groups["train"] & groups["test"]


def test_a_path_that_is_listed_twice_is_refused_with_both_lines(cnncli: Cli, write_config: Write) -> None:
    make_pictures(Path("photos"), {"ants": 6, "bees": 6})
    lines = [f"{name}/{i:03d}.png,{name}" for name in ("ants", "bees") for i in range(6)]
    Path("photos/list.csv").write_text("\n".join(["path,label", *lines, "./bees/../ants/001.png,ants"]) + "\n")
    config = write_config(
        f"dataset: {{name: image_csv, file: photos/list.csv, image_size: 8}}\nmodel: mlp\ntrain: {{epochs: 1}}\n{TAIL}"
    )
    answer = cnncli("train", config)
    assert answer.code == 3
    assert "list.csv:14: " in answer.err
    assert "is in line 3 as well; remove one of the two" in answer.err


def test_a_table_of_pictures_remembers_whatever_is_put_in_front(cnncli: Cli, write_config: Write) -> None:
    make_pictures(Path("photos"), {"ants": 20, "bees": 20})
    make_pictures(Path("photos/more"), {"ants": 9, "bees": 9}, seed=5)
    lines = [f"{name}/{i:03d}.png,{name}" for name in ("ants", "bees") for i in range(20)]
    more = [f"more/{name}/{i:03d}.png,{name}" for name in ("ants", "bees") for i in range(9)]
    Path("photos/list.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    text = FOLDER.replace("image_folder, root: photos", "image_csv, file: photos/list.csv")
    train(cnncli, write_config, text)
    before = metrics(evaluated(cnncli))
    Path("photos/list.csv").write_text("\n".join(["path,label", *more, *reversed(lines)]) + "\n")
    after = evaluated(cnncli)
    assert metrics(after) == before
    assert "18 pictures are new since the run began and are not used (more/ants/000.png, " in after.err
    answer = cnncli("train", "--resume", "runs/one/one", "train.epochs=2")
    assert answer.code == 0, answer.err


def test_a_key_names_the_rows(cnncli: Cli, write_config: Write) -> None:
    rows = [f"k{i},{i % 13},{i % 5},{'yes' if i % 3 else 'no'}" for i in range(150)]
    Path("rows.csv").write_text("\n".join(["id,a,b,label", *rows]) + "\n")
    text = "dataset: {name: csv, file: rows.csv, target: label, key: id, batch_size: 32}\nmodel: mlp\n"
    train(cnncli, write_config, f"{text}train: {{epochs: 1}}\n{TAIL}")
    before = metrics(evaluated(cnncli))
    Path("rows.csv").write_text("\n".join(["id,a,b,label", "new,1,1,yes", *sorted(rows)]) + "\n")
    after = evaluated(cnncli)
    assert metrics(after) == before
    assert "1 rows are new since the run began and are not used (new)" in after.err
    Path("rows.csv").write_text("\n".join(["id,a,b,label", *rows, rows[3]]) + "\n")
    twice = evaluated(cnncli)
    assert twice.code == 3
    assert "rows.csv:152: column 'id' is dataset.key and has 'k3' a second time; make it unique" in twice.err


def write_series(path: Path, first: int, count: int, dated: bool = True) -> None:
    import pandas as pd

    days = pd.date_range("2020-01-01", periods=first + count)[first:]
    values = [10 + i % 4 + math.sin(i) for i in range(first, first + count)]
    lines = [f"{day.date()},{v:.3f}" if dated else f"{v:.3f}" for day, v in zip(days, values, strict=True)]
    path.write_text("\n".join(["day,value" if dated else "value", *lines]) + "\n")


@pytest.mark.parametrize("dated", [True, False])
def test_a_series_that_grows_is_judged_where_it_was(cnncli: Cli, write_config: Write, dated: bool) -> None:
    write_series(Path("series.csv"), 20, 200, dated)
    train(cnncli, write_config, SERIES)
    before = metrics(evaluated(cnncli))
    for first, count, new in ((20, 260, 60), (5, 215, 15)):
        write_series(Path("series.csv"), first, count, dated)
        after = evaluated(cnncli)
        assert metrics(after) == before
        assert f"{new} steps are new since the run began and are not used" in after.err
        assert cnncli("train", "--resume", "runs/one/one", "train.epochs=1").code == 0


def test_a_series_whose_values_changed_is_said(cnncli: Cli, write_config: Write) -> None:
    write_series(Path("series.csv"), 0, 200)
    train(cnncli, write_config, SERIES)
    Path("series.csv").write_text(Path("series.csv").read_text().replace("2020-01-09,", "2020-01-09,9"))
    assert "the values of train have changed since the run began" in evaluated(cnncli).err
    write_series(Path("series.csv"), 0, 200, dated=False)
    answer = evaluated(cnncli)
    assert answer.code == 3


def test_steps_after_training_are_judged_elsewhere(cnncli: Cli, write_config: Write) -> None:
    write_series(Path("series.csv"), 0, 200)
    train(cnncli, write_config, SERIES)
    write_series(Path("later.csv"), 100, 200)
    answer = evaluated(cnncli, "--data", "later.csv")
    assert metrics(answer)["n"] == 300 - 144 - 2  # windows whose three targets follow the training part
    assert "44 of 200 steps were trained on and are left out" in answer.err


def test_a_text_that_grows_is_judged_where_it_was(cnncli: Cli, write_config: Write) -> None:
    tale = "once upon a time there was a king who had a daughter. " * 30
    Path("tale.txt").write_text(tale)
    train(cnncli, write_config, TEXT)
    before = metrics(evaluated(cnncli))
    Path("tale.txt").write_text("A preface. " + tale)
    after = evaluated(cnncli)
    assert metrics(after) == before
    assert "11 steps are new" in after.err
    Path("tale.txt").write_text(tale.replace("king", "queen"))
    changed = evaluated(cnncli)
    assert changed.code == 3
    assert "the train part is not there as it was in the run" in changed.err


def test_data_elsewhere_are_judged_as_they_lie(cnncli: Cli, write_config: Write) -> None:
    make_pictures(Path("photos"), {"ants": 20, "bees": 20, "wasps": 20})
    train(cnncli, write_config, FOLDER)
    make_pictures(Path("flat"), {"ants": 5, "bees": 6, "wasps": 7}, seed=7)
    make_pictures(Path("only/test"), {"ants": 5, "bees": 6, "wasps": 7}, seed=8)
    make_pictures(Path("lacks"), {"ants": 5, "wasps": 7}, seed=9)
    lines = [f"ants/{i:03d}.png,ants" for i in range(5)]
    Path("flat/rows.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    assert metrics(evaluated(cnncli, "--data", "flat"))["n"] == 18
    assert metrics(evaluated(cnncli, "--data", "only"))["n"] == 18
    assert metrics(evaluated(cnncli, "--data", "flat/rows.csv"))["n"] == 5
    lacking = evaluated(cnncli, "--data", "lacks")
    assert metrics(lacking)["n"] == 12
    assert lacking.json["per_class"]["bees"]["support"] == 0
    make_pictures(Path("lacks"), {"hornets": 2})
    unknown = evaluated(cnncli, "--data", "lacks")
    assert unknown.code == 3
    assert "the network does not know the class 'hornets'" in unknown.err
    own = evaluated(cnncli, "--data", "photos")
    assert metrics(own)["n"] == 60 - 39
    assert "39 of 60 pictures were trained on and are left out" in own.err
    everything = evaluated(cnncli, "--data", "flat", "--split", "val")
    assert everything.code == 2


def test_pictures_with_the_paths_of_others_are_said(cnncli: Cli, write_config: Write) -> None:
    make_pictures(Path("photos"), {"ants": 20, "bees": 20})
    train(cnncli, write_config, FOLDER)
    make_pictures(Path("flat"), {"ants": 5, "bees": 5}, seed=7)
    answer = evaluated(cnncli, "--data", "flat")
    assert metrics(answer)["n"] == 10
    assert "have the paths of training pictures and another content; they are judged as others" in answer.err


def test_early_stopping_may_be_loosened_on_resume(cnncli: Cli, tiny: Path) -> None:
    patience = "train.early_stopping={patience: 1, min_delta: 10}"
    assert cnncli("train", tiny, "--name", "one/one", "train.epochs=6", patience).code == 0
    lines = Path("runs/one/one/metrics.jsonl").read_text().splitlines()
    assert len(lines) < 6
    answer = cnncli("train", "--resume", "runs/one/one", "train.early_stopping=null")
    assert answer.code == 0, answer.err
    assert len(Path("runs/one/one/metrics.jsonl").read_text().splitlines()) == 6
