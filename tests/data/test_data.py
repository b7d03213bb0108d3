"""Splits, loaders and normalisation: what a batch holds depends on seed, epoch and position only."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import DataError
from cnncli.core.registry import transforms
from cnncli.core.spec import DataSpec, Pictures
from cnncli.core.targets import Shares
from cnncli.data.bundle import DataBundle, build_data
from cnncli.data.loaders import MemoryLoader, Normalizer, Order, StreamLoader
from cnncli.data.sources import ArraySource
from cnncli.data.splits import stratified_split
from cnncli.data.transforms import Augment
from tests.conftest import ROOT, make_pictures

CPU = torch.device("cpu")
OF_PICTURES = [name for name in transforms if "batches" not in transforms.get(name).traits]


def untracked(items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
    return items


def bundle(**config: Any) -> DataBundle:
    return build_data(DatasetConfig.model_validate({"name": "digits", **config}), untracked)


def all_batches(loader: MemoryLoader | StreamLoader, epoch: int = 0, start: int = 0) -> list[tuple[Tensor, Any]]:
    return list(loader.epoch(epoch, start))


def plain(targets: Tensor | Shares) -> Tensor:
    """Class numbers ``[B]``, or shares ``[B, K]``."""
    return targets.values if isinstance(targets, Shares) else targets


def test_validation_is_carved_from_training_stratified_and_seeded() -> None:
    targets = torch.tensor([0] * 100 + [1] * 50 + [2] * 7)
    kept, taken = stratified_split(targets, 0.1, seed=0)
    assert sorted([*kept.tolist(), *taken.tolist()]) == list(range(157))
    assert torch.bincount(targets[taken]).tolist() == [10, 5, 1]
    again, other = stratified_split(targets, 0.1, seed=0)[1], stratified_split(targets, 0.1, seed=1)[1]
    assert torch.equal(taken, again)
    assert not torch.equal(taken, other)


def test_every_class_keeps_a_sample_on_both_sides_where_it_has_two() -> None:
    kept, taken = stratified_split(torch.tensor([0, 0, 1, 1, 1, 2]), 0.01, seed=0)
    assert len(taken) == 2
    assert {0, 1, 2} == set(torch.tensor([0, 0, 1, 1, 1, 2])[kept].tolist())
    with pytest.raises(DataError, match="val_fraction: 0"):
        stratified_split(torch.tensor([0, 1, 2]), 0.5, seed=0)


def test_the_splits_of_digits_do_not_overlap_and_do_not_move_with_the_seed() -> None:
    data = bundle()
    sizes = {split: len(source) for split, source in data.sources.items()}
    assert sizes == {"train": 1295, "val": 143, "test": 359}
    assert sum(sizes.values()) == 1797
    other = bundle(split_seed=1)
    assert torch.equal(data.sources["test"].targets, other.sources["test"].targets)
    assert isinstance(data.sources["val"], ArraySource)
    assert isinstance(other.sources["val"], ArraySource)
    assert not torch.equal(data.sources["val"].inputs, other.sources["val"].inputs)


def test_normalisation_is_fitted_on_the_training_part_only() -> None:
    data = bundle()
    source = data.sources["train"]
    assert isinstance(source, ArraySource)
    pixels = source.inputs.double() / 255
    assert data.spec.preprocess.mean == pytest.approx([pixels.mean().item()])
    assert data.spec.preprocess.std == pytest.approx([pixels.std(correction=0).item()])
    batches = torch.cat([inputs for inputs, _ in all_batches(data.loader("train", CPU))])
    assert batches.mean().item() == pytest.approx(0, abs=1e-5)
    assert batches.std().item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("normalize", "mean", "std"),
    [
        ("half", 0.5, 0.5), ("none", 0.0, 1.0), ("imagenet", 0.449, 0.226),
        ({"mean": [0.1], "std": [0.2]}, 0.1, 0.2),
    ],
)  # fmt: skip
def test_named_statistics(normalize: object, mean: float, std: float) -> None:
    preprocess = bundle(normalize=normalize).spec.preprocess
    assert preprocess.mean == pytest.approx((mean,), abs=1e-3)
    assert preprocess.std == pytest.approx((std,), abs=1e-3)


def test_statistics_for_another_number_of_channels_are_refused() -> None:
    with pytest.raises(DataError, match="3 means and 3 deviations for 1 channels"):
        bundle(normalize={"mean": [0.1] * 3, "std": [0.2] * 3})


def test_normalising_can_be_undone() -> None:
    images = torch.randint(0, 256, (5, 3, 4, 4), dtype=torch.uint8)
    normalizer = Normalizer(Pictures((0.1, 0.5, 0.9), (0.2, 0.3, 0.4)), (4, 4), CPU)
    assert torch.equal(normalizer.undo(normalizer(images)), images)


@pytest.mark.parametrize(("samples", "size"), [(10, 3), (10, 5), (10, 4), (9, 4), (1, 4), (3, 4), (5, 1), (13, 4)])
@pytest.mark.parametrize("training", [True, False])
def test_an_order_holds_every_sample_once_and_knows_its_length(samples: int, size: int, training: bool) -> None:
    order = Order(samples, size, training)
    batches = order.batches(0)
    assert sorted(torch.cat(batches).tolist()) == list(range(samples))
    assert len(batches) == len(order)
    if training and samples > 1 and size > 1:
        assert min(map(len, batches)) > 1, "BatchNorm cannot learn from one sample"


def test_shuffling_depends_on_seed_and_epoch_only() -> None:
    order = Order(100, 10, True, seed=3)
    torch.manual_seed(0)
    first = torch.cat(order.batches(5))
    torch.manual_seed(1)
    assert torch.equal(first, torch.cat(order.batches(5)))
    assert not torch.equal(first, torch.cat(order.batches(6)))
    assert not torch.equal(first, torch.cat(Order(100, 10, True, seed=4).batches(5)))
    assert torch.equal(torch.cat(Order(100, 10, False).batches(5)), torch.arange(100))


CHAINS = {
    "chain": [{"name": "random_crop", "padding": 2}, "random_horizontal_flip", {"name": "random_erasing", "p": 1.0}],
    **{name: [{"name": name}] for name in transforms},
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("chain", CHAINS)
def test_files_and_memory_give_the_same_batches_augmentation_included(pictures: Path, chain: str, workers: int) -> None:
    augment = [{"name": item} if isinstance(item, str) else item for item in CHAINS[chain]]
    options = {"name": "image_folder", "root": str(pictures), "image_size": 12, "batch_size": 7, "augment": augment}
    memory, stream = bundle(**options), bundle(**options, memory="never", workers=workers)
    one = memory.loader("train", CPU, training=True, seed=1)
    two = stream.loader("train", CPU, training=True, seed=1)
    assert isinstance(one, MemoryLoader)
    assert isinstance(two, StreamLoader)
    assert len(one) == len(two)
    for epoch in (0, 1):
        for (a, b), (c, d) in zip(all_batches(one, epoch), all_batches(two, epoch), strict=True):
            assert torch.equal(a, c)
            assert type(b) is type(d)
            assert torch.equal(plain(b), plain(d))
    rest = all_batches(two, 1, start=3)
    assert len(rest) == len(two) - 3
    assert torch.equal(rest[0][0], all_batches(one, 1)[3][0])
    assert not torch.equal(all_batches(one, 0)[0][0], all_batches(one, 1)[0][0])


def test_augmentation_draws_for_each_sample_and_epoch_and_never_in_evaluation() -> None:
    data = bundle(augment=[{"name": "random_crop", "padding": 2}])
    plain = bundle()
    for split in ("val", "test"):
        for (a, _), (b, _) in zip(
            all_batches(data.loader(split, CPU)), all_batches(plain.loader(split, CPU)), strict=True
        ):
            assert torch.equal(a, b)
    image = torch.randint(0, 256, (1, 8, 8), dtype=torch.uint8)
    augment = Augment([("random_crop", transforms.build("random_crop", (8, 8), padding=2))], (8, 8), seed=0)

    def changed(epoch: int) -> Tensor:
        return augment(image.expand(20, -1, -1, -1), augment.draws(epoch, torch.arange(20), torch.arange(20)))

    pictures = {picture.numpy().tobytes() for epoch in range(5) for picture in changed(epoch)}
    assert len(pictures) > 15, "25 shifts are possible"
    assert torch.equal(changed(3), changed(3))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", OF_PICTURES)
def test_every_transform_keeps_shape_and_type(name: str, channels: int) -> None:
    images = torch.randint(0, 256, (20, channels, 16, 12), dtype=torch.uint8)
    augment = Augment([(name, transforms.build(name, (16, 12)))], (16, 12), seed=0)
    changed = augment(images, augment.draws(0, torch.arange(20), torch.arange(20)))
    assert changed.shape == images.shape
    assert changed.dtype == torch.uint8
    greyed = name == "random_grayscale" and channels == 1
    assert greyed or not torch.equal(changed, images)


def test_classes_are_folder_names_and_hidden_files_are_passed_over(pictures: Path) -> None:
    (pictures / "train" / ".ipynb_checkpoints").mkdir()
    (pictures / "train" / "ants" / "._000.png").write_bytes(b"resource fork")
    (pictures / "train" / "ants" / "notes.txt").write_text("no picture")
    data = bundle(name="image_folder", root=str(pictures), image_size=12)
    assert data.spec.classes == ("ants", "bees")
    assert data.spec.input_shape == (3, 12, 12)
    assert {split: len(source) for split, source in data.sources.items()} == {"train": 44, "val": 4, "test": 16}


def test_one_folder_of_classes_is_split_on_the_fly(tmp_path: Path) -> None:
    root = make_pictures(tmp_path / "flat", {"a": 20, "b": 20, "c": 10})
    data = bundle(name="image_folder", root=str(root), image_size=8, channels=1, test_fraction=0.2)
    assert {split: len(source) for split, source in data.sources.items()} == {"train": 35, "val": 5, "test": 10}
    assert data.spec.input_shape == (1, 8, 8)


def test_folders_that_cannot_be_learned_from_are_named(pictures: Path, tmp_path: Path) -> None:
    def fails(root: Path) -> str:
        with pytest.raises(DataError) as caught:
            bundle(name="image_folder", root=str(root), image_size=8)
        return str(caught.value)

    assert "no such folder" in fails(tmp_path / "missing")
    (tmp_path / "one" / "only").mkdir(parents=True)
    assert "has 1 class folders" in fails(tmp_path / "one")
    (pictures / "test" / "wasps").mkdir()
    assert "extra: ['wasps']" in fails(pictures)
    (pictures / "test" / "wasps").rmdir()
    (pictures / "train" / "empty").mkdir()
    (pictures / "test" / "empty").mkdir()
    assert "no pictures in this class folder" in fails(pictures)


@pytest.mark.parametrize("memory", ["always", "never"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", None])
def test_a_broken_picture_is_named(pictures: Path, content: bytes | None, memory: str) -> None:
    broken = pictures / "train" / "bees" / "broken.jpg"
    if content is None:
        Image.new("RGB", (64, 64)).save(broken)
        content = broken.read_bytes()[:-200]
    broken.write_bytes(content)

    def read_everything() -> None:
        data = bundle(name="image_folder", root=str(pictures), image_size=8, memory=memory, workers=2, val_fraction=0.0,
                      normalize="half")  # fmt: skip
        all_batches(data.loader("train", CPU))

    with pytest.raises(DataError, match=r"broken\.jpg: cannot be read as a picture"):
        read_everything()


def test_data_of_other_classes_are_refused_for_a_checkpoint(pictures: Path) -> None:
    spec = bundle().spec
    other = DataSpec(spec.input_shape, ("x", "y"), spec.preprocess)
    with pytest.raises(DataError, match=r"differ from the checkpoint's \(missing: x, y, extra: 0, 1, 2, 3, 4, …\)"):
        build_data(DatasetConfig(name="digits"), untracked, other)


def test_a_missing_split_says_how_to_get_it(pictures: Path) -> None:
    with pytest.raises(DataError, match="val_fraction"):
        bundle(val_fraction=0.0).loader("val", CPU)


@pytest.mark.slow
def test_digits_need_no_torchvision() -> None:
    code = (
        "import sys, torch\n"
        "from cnncli.config.sections import DatasetConfig\n"
        "from cnncli.data import build_data\n"
        "build_data(DatasetConfig(name='digits'), lambda items, n, what: items)\n"
        "assert 'torchvision' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("folder", ["val", "test"])
def test_an_evaluation_folder_without_a_training_folder_is_refused(tmp_path: Path, folder: str) -> None:
    make_pictures(tmp_path / "set" / folder, {"ants": 3, "bees": 3})
    with pytest.raises(DataError, match="no train folder; add one"):
        build_data(
            DatasetConfig(name="image_folder", root=str(tmp_path / "set"), image_size=8), lambda items, *_: items
        )


@pytest.mark.slow
def test_workers_end_with_the_process_even_in_the_middle_of_an_epoch(pictures: Path, tmp_path: Path) -> None:
    code = (
        "import torch\n"
        "from cnncli.training.configs import load_config\n"
        "from cnncli.data import build_data\n"
        "config = load_config(__import__('pathlib').Path('c.yaml')).config\n"
        "data = build_data(config.dataset, lambda items, n, what: items)\n"
        "loader = data.loader('train', torch.device('cpu'), training=True)\n"
        "batches = loader.epoch(0)\n"
        "print(len(next(batches)))\n"
    )
    (tmp_path / "c.yaml").write_text(
        f"dataset: {{name: image_folder, root: {pictures}, image_size: 8, batch_size: 8, memory: never, workers: 2}}\n"
        "model: mlp\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment,
                            check=False)  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert int(answer.stdout) > 0
