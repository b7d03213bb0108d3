"""Numbers that are learned from pictures in a table: what the columns offer, how they are split, scaled and refused."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import ConfigError, DataError
from cnncli.core.registry import datasets
from cnncli.core.spec import DataSpec, Wants
from cnncli.data.bundle import DataBundle, build_data
from cnncli.training.pictures import training_samples
from tests.conftest import Answer, make_pictures

Cli = Callable[..., Answer]
CPU = torch.device("cpu")


def untracked(items: Any, total: int, what: str) -> Any:
    return items


def bundle(wants: str = "numbers", spec: DataSpec | None = None, **config: Any) -> DataBundle:
    settings = {"name": "image_csv", "file": "list.csv", "image_size": 8, **config}
    return build_data(DatasetConfig.model_validate(settings), untracked, spec, wants)


def write(*rows: str, header: str = "path,x,y") -> None:
    Path("list.csv").write_text("\n".join([header, *rows]) + "\n")


@pytest.fixture
def listed(tmp_path: Path) -> list[str]:
    """Twenty pictures with two numbers each, in ``list.csv``."""
    make_pictures(tmp_path, {"photos": 20})
    rows = [f"photos/{i:03d}.png,{1_000_000 + i / 8},{-i}" for i in range(20)]
    write(*rows)
    return rows


@pytest.mark.usefixtures("listed")
def test_one_column_or_several_are_numbers_in_their_own_unit_and_scaled_by_the_training_part() -> None:
    data = bundle(label=["x", "y"], val_fraction=0.2, test_fraction=0.25)
    assert {split: len(source) for split, source in data.sources.items()} == {"train": 12, "val": 3, "test": 5}
    everything = torch.cat([source.targets for source in data.sources.values()])
    assert everything.dtype == torch.float64
    assert sorted(everything[:, 0].tolist()) == [1_000_000 + i / 8 for i in range(20)]
    assert torch.equal(everything[:, 1], -8 * (everything[:, 0] - 1_000_000))
    train, numbers = data.sources["train"].targets, data.spec.numbers
    assert numbers is not None
    assert (numbers.names, data.spec.classes, data.spec.outputs) == (("x", "y"), (), (2,))
    assert numbers.mean == pytest.approx(train.mean(0).tolist())
    assert numbers.std == pytest.approx(train.std(0, correction=0).tolist())
    assert bundle(label="y").sources["train"].targets.shape == (18, 1)


@pytest.mark.usefixtures("listed")
def test_every_number_stays_with_its_picture() -> None:
    data = bundle(label="y", val_fraction=0.2, test_fraction=0.25, memory="never", cache=False)
    for source in data.sources.values():
        told = [-float(path.stem) for path in source.paths]  # type: ignore[union-attr]
        assert source.targets[:, 0].tolist() == told


def test_a_split_column_says_what_is_tested(listed: list[str]) -> None:
    write(*(f"{row},{'test' if i % 4 == 0 else 'train'}" for i, row in enumerate(listed)), header="path,x,y,part")
    data = bundle(label="y", split_column="part", val_fraction=0.0)
    assert data.sources["test"].targets[:, 0].tolist() == [0, -4, -8, -12, -16]
    assert len(data.sources["train"]) == 15


@pytest.mark.parametrize(
    ("cells", "label", "offers"),
    [
        (["1", "2", "3", "1"], "x", ("classes", "numbers")),
        (["1.5", "2", "3", "1"], "x", ("classes", "numbers")),
        (["ant", "bee", "1", "ant"], "x", ("classes",)),
        (["1.5", "2", "3", "1"], ["x", "y"], ("numbers",)),
    ],
)
def test_a_column_of_numbers_offers_numbers(cells: list[str], label: Any, offers: tuple[str, ...]) -> None:
    write(*(f"{i}.png,{cell},7" for i, cell in enumerate(cells)))
    found = datasets.build("image_csv", file="list.csv", label=label).offers
    assert found[: len(offers)] == offers
    assert ("numbers" in found) is ("numbers" in offers)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("", "list.csv:4: column 'x' has no number to learn; fill it in"),
        ("NaN", "list.csv:4: column 'x' has no number to learn; fill it in"),
        ("tall", "list.csv:4: column 'x' has 'tall' where a number is learned; fix it"),
        ("inf", "list.csv:4: column 'x' has 'inf' where a number is learned; fix it"),
    ],
)
def test_a_cell_that_is_no_number_is_found_by_its_line(listed: list[str], cell: str, said: str) -> None:
    write(*listed[:2], f"photos/002.png,{cell},0", *listed[3:])
    with pytest.raises(DataError) as caught:
        bundle(label="x")
    assert str(caught.value) == said


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("x", "list.csv: column 'x' has 20 different numbers, which are no classes; set task: regression"),
        (["x", "y"], "image_csv has numbers to learn, the task wants classes; set task: regression"),
    ],
)  # fmt: skip
def test_measurements_are_no_classes(
    cnncli: Cli, write_config: Callable[..., Path], label: str | list[str], said: str
) -> None:
    answer = cnncli(
        "train", write_config(f"dataset: {{name: image_csv, file: list.csv, label: {label}}}\nmodel: mlp\n")
    )
    assert answer.code in (2, 3)
    assert said in answer.err
    assert answer.complaint.removeprefix("reading list.csv …\n").count("\n") == 1


def test_few_whole_numbers_are_classes_or_numbers_as_the_task_wants(listed: list[str]) -> None:
    write(*(f"photos/{i:03d}.png,{i % 2}" for i in range(20)), header="path,x")
    assert bundle("classes", label="x").spec.classes == ("0", "1")
    assert bundle("numbers", label="x").spec.numbers is not None


def test_many_numbers_are_classes_only_where_each_has_many_pictures() -> None:
    write(*(f"{i}.png,{i % 150}" for i in range(1400)), header="path,x")
    with pytest.raises(DataError, match="150 different numbers"):
        datasets.build("image_csv", file="list.csv", label="x").listing.refuse_measurements("classes")
    write(*(f"{i}.png,{i % 150}" for i in range(1500)), header="path,x")
    listing = datasets.build("image_csv", file="list.csv", label="x").listing
    listing.refuse_measurements("classes")
    assert len(set(listing.classes())) == 150


@pytest.mark.parametrize("wants", ["classes", "labels"])
def test_few_pictures_of_many_numbers_are_no_measurements_where_the_network_knows_them(wants: Wants) -> None:
    write(*(f"{i}.png,{i % 150}" for i in range(300)), header="path,x")
    opened = datasets.build("image_csv", file="list.csv", label="x")
    with pytest.raises(DataError, match=f"150 different numbers, which are no {wants}; set task: regression"):
        opened._targets(wants, None)
    known = tuple(sorted(map(str, range(150))))
    classes, targets = opened._targets(wants, known)
    assert (classes, len(targets)) == (known, 300)


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("label", "said"),
    [("z", "has no column 'z'; known: path, x, y"), (["x", "x"], "label names column 'x' twice; name it once")],
)
def test_columns_that_are_missing_or_named_twice_are_refused(label: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        bundle(label=label)


def test_a_column_of_words_cannot_be_learned_as_numbers(listed: list[str]) -> None:
    write(*(f"photos/{i:03d}.png,{'ab'[i % 2]}" for i in range(20)), header="path,x")
    with pytest.raises(ConfigError, match=r"image_csv has classes .*to learn, the task wants numbers"):
        bundle(label="x")


@pytest.mark.usefixtures("listed")
def test_other_numbers_than_the_checkpoints_are_refused() -> None:
    trained = bundle(label="x").spec
    assert bundle(label="x", spec=trained).spec is trained
    with pytest.raises(DataError, match=r"the data have 1 numbers \(y\) of 3×8×8, the checkpoint 1 numbers \(x\)"):
        bundle(label="y", spec=trained)


@pytest.mark.usefixtures("listed")
def test_samples_are_drawn_with_their_numbers_and_check_looks_for_leaks_but_not_for_classes(
    cnncli: Cli, write_config: Callable[..., Path], listed: list[str]
) -> None:
    image = training_samples(bundle(label=["x", "y"]), CPU, 0, 9)
    assert image.size[0] > 8
    copied = [f"{row},{'test' if i < 4 else 'train'}" for i, row in enumerate(listed)]
    shutil.copy("photos/000.png", "photos/copy.png")
    write(*copied, "photos/copy.png,7,7,train", header="path,x,y,part")
    config = write_config(
        "dataset: {name: image_csv, file: list.csv, label: [x, y], split_column: part, image_size: 8}\n"
        "model: mlp\ntask: regression\n"
    )
    answer = cnncli("data", "check", config, "--json")
    assert answer.code == 3
    assert answer.json["splits"] == {"test": {"x, y": 4}, "train": {"x, y": 17}}
    (fault,) = answer.json["faults"]
    assert fault["kind"] == "exact_conflict"
    assert "as 1000000, 0 and 7, 7: " in fault["text"]
    shown = cnncli("data", "show", config)
    assert shown.code == 0, shown.err
    assert "15 of 15 train pictures" in shown.out
    assert Path("samples.png").stat().st_size > 500
    assert "the task wants classes; set another task" in cnncli("data", "check", _classified(config)).out


def _classified(config: Path) -> Path:
    config.write_text(config.read_text().replace("task: regression", "task: classification"))
    return config
