"""MixUp and CutMix blend pictures and labels in the same parts; the balanced sampler draws classes equally often."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import LossConfig
from cnncli.core.registry import losses
from cnncli.core.spec import DataSpec, Pictures
from cnncli.core.targets import Shares
from cnncli.data.bundle import DataBundle
from cnncli.data.loaders import Order
from cnncli.tasks.classification import Classification
from tests.conftest import Answer, make_pictures
from tests.data.test_data import CPU, all_batches, bundle, plain
from tests.training.helpers import assert_same_weights

fill_registries()
Cli = Callable[..., Answer]
MIXERS = ("mixup", "cutmix")
CLASS_NUMBERS_ONLY = [name for name in losses if "class_numbers_only" in losses.get(name).traits]
QUIET = "logging: {tensorboard: false, samples: false, pictures: false}\n"


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Three classes of noisy pictures: no two pixels of two pictures are likely to be the same."""
    return make_pictures(tmp_path / "three", {"a": 17, "b": 17, "c": 17}, (20, 16))


def mixing(root: Path, *augment: Any, **config: Any) -> DataBundle:
    chain = [{"name": name} if isinstance(name, str) else name for name in augment]
    settings = {
        "batch_size": 8,
        "val_fraction": 0.0,
        "workers": 0,
        "normalize": "half",
        "image_size": (16, 20),
        **config,
    }
    return bundle(name="image_folder", root=str(root), augment=chain, **settings)


def training(data: DataBundle, epoch: int = 0, start: int = 0, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    batches = all_batches(data.loader("train", CPU, training=True, seed=seed), epoch, start)
    mixes = any(augment.name in MIXERS for augment in data.config.augment)
    assert all(isinstance(targets, Shares) == mixes for _, targets in batches)
    return [(inputs, plain(targets)) for inputs, targets in batches]


def same(one: list[tuple[Tensor, Tensor]], two: list[tuple[Tensor, Tensor]]) -> bool:
    pairs = zip(one, two, strict=True)
    return all(torch.equal(a, b) and torch.equal(x, y) for (a, x), (b, y) in pairs)


def own_shares(mixed: Tensor, numbers: Tensor) -> Tensor:
    """The part ``[B]`` of each sample that is its own, from the targets ``[B, K]`` and the numbers before mixing.

    It is not to be seen, and 1 here, where a sample was mixed with another of its class.
    """
    others, samples = numbers.roll(1), torch.arange(len(numbers))
    own = mixed[samples, numbers]
    assert torch.allclose(own + mixed[samples, others] * (numbers != others), torch.ones(len(numbers)))
    return own


def test_mixup_blends_pixels_in_the_same_parts_as_labels(three: Path) -> None:
    plain, mixed = training(mixing(three)), training(mixing(three, {"name": "mixup", "alpha": 1.0}))
    shares = []
    for (inputs, numbers), (blended, targets) in zip(plain, mixed, strict=True):
        assert targets.shape == (len(numbers), 3)
        assert torch.allclose(targets.sum(1), torch.ones(len(numbers)))
        seen = numbers != numbers.roll(1)
        share = own_shares(targets, numbers)[:, None, None, None]
        assert torch.allclose(blended[seen], (share * inputs + (1 - share) * inputs.roll(1, 0))[seen], atol=1e-5)
        shares += share[seen].flatten().tolist()
    assert len(set(shares)) == len(shares) > 20, "every sample has a share of its own"
    assert all(0 < share < 1 for share in shares)


def test_cutmix_cuts_out_the_same_part_as_it_takes_from_the_label(three: Path) -> None:
    plain, mixed = training(mixing(three)), training(mixing(three, "cutmix"))
    shares = []
    for (inputs, numbers), (blended, targets) in zip(plain, mixed, strict=True):
        assert torch.allclose(targets.sum(1), torch.ones(len(numbers)))
        foreign = (blended != inputs).any(1)
        rows, columns = foreign.any(2), foreign.any(1)
        assert torch.equal(foreign, rows[:, :, None] & columns[:, None]), "they are rectangles"
        assert torch.equal(blended, torch.where(foreign[:, None], inputs.roll(1, 0), inputs))
        seen = numbers != numbers.roll(1)
        share = own_shares(targets, numbers)[seen]
        assert torch.allclose(1 - share, foreign.float().mean((1, 2))[seen], atol=1e-6)
        shares += share.tolist()
    assert len(set(shares)) > 15


@pytest.mark.parametrize("augment", [["mixup"], ["cutmix"], ["mixup", "cutmix"], ["random_horizontal_flip", "mixup"]])
@pytest.mark.parametrize("memory", ["always", "never"])
def test_batches_depend_on_seed_epoch_and_position_only(three: Path, augment: list[str], memory: str) -> None:
    data, again = (mixing(three, *augment, memory=memory) for _ in range(2))
    whole = training(data, epoch=3)
    torch.manual_seed(99)
    assert same(whole, training(again, epoch=3))
    assert not same(whole, training(data, epoch=4))
    assert not same(whole, training(mixing(three, *augment, memory=memory), epoch=3, seed=1))
    for start in range(len(whole) + 1):
        assert same(training(data, epoch=3, start=start), whole[start:])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("augment", [["mixup"], ["random_horizontal_flip", "cutmix", "mixup"]])
def test_both_loaders_give_the_same_mixed_batches(three: Path, augment: list[str], workers: int) -> None:
    memory = mixing(three, *augment, memory="always", resize=(20, 24))
    stream = mixing(three, *augment, memory="never", workers=workers, resize=(20, 24))
    for epoch in range(2):
        assert same(training(memory, epoch), training(stream, epoch))


def test_of_two_mixers_each_batch_draws_one(three: Path) -> None:
    plain = training(mixing(three, batch_size=4))
    both = training(mixing(three, {"name": "mixup", "alpha": 5.0}, "cutmix", batch_size=4))
    changed = [float((a != b).any(1).double().mean()) for (a, _), (b, _) in zip(plain, both, strict=True)]
    assert any(part == 1 for part in changed), "mixup changes every pixel"
    assert any(part < 1 for part in changed), "cutmix some"


@pytest.mark.parametrize("memory", ["always", "never"])
@pytest.mark.parametrize("name", MIXERS)
def test_evaluation_is_never_mixed(three: Path, name: str, memory: str) -> None:
    config: dict[str, Any] = {"memory": memory, "val_fraction": 0.2, "test_fraction": 0.2}
    data, plain = mixing(three, name, **config), mixing(three, **config)
    for split in ("train", "val", "test"):
        batches = all_batches(data.loader(split, CPU))
        assert same(batches, all_batches(plain.loader(split, CPU)))
        assert all(targets.dtype == torch.int64 for _, targets in batches)
    assert training(data)[0][1].ndim == 2


@pytest.mark.parametrize("name", [name for name in losses if name not in CLASS_NUMBERS_ONLY])
def test_losses_that_take_shares_agree_with_class_numbers_and_mind_the_shares(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    logits, numbers = torch.randn(6, 3, generator=generator), torch.tensor([0, 1, 2, 0, 1, 2])
    spec = DataSpec((1, 4, 4), ("a", "b", "c"), Pictures((0.0,), (1.0,)))
    task = Classification(spec, LossConfig(name=name), CPU)
    task.fit(numbers)
    own = torch.nn.functional.one_hot(numbers, 3).float()
    assert torch.allclose(task.loss(logits, Shares(own)), task.loss(logits, numbers))
    assert task.weight(Shares(own)) == 6
    little, much = (Shares(share * own + (1 - share) * own.roll(1, 0)) for share in (0.1, 0.9))
    assert not torch.allclose(task.loss(logits, little), task.loss(logits, much)), "it does not see the shares"


@pytest.mark.parametrize("name", MIXERS)
@pytest.mark.parametrize(
    "loss",
    ["{name: cross_entropy, label_smoothing: 0.1}", "{name: cross_entropy, class_weights: balanced}",
     "{name: focal, gamma: 1.5, class_weights: balanced}", "mse", "bce_with_logits"],
)  # fmt: skip
def test_training_with_mixed_samples_runs(cnncli: Cli, write_config: Callable[..., Path], name: str, loss: str) -> None:
    config = write_config(
        f"dataset: {{name: digits, augment: [{name}], batch_size: 128}}\nmodel: {{name: mlp, hidden: [32]}}\n"
        f"loss: {loss}\ntrain: {{epochs: 2, accumulate: 2}}\noptimizer: {{name: adam, lr: 0.01}}\n{QUIET}"
    )
    answer = cnncli("train", config, "--json")
    assert answer.code == 0, answer.err
    assert answer.json["metrics"]["test"]["accuracy"] > 0.4


@pytest.mark.parametrize("loss", CLASS_NUMBERS_ONLY)
@pytest.mark.parametrize("name", MIXERS)
def test_losses_of_class_numbers_alone_are_refused(
    cnncli: Cli, write_config: Callable[..., Path], name: str, loss: str
) -> None:
    config = write_config(
        f"dataset:\n  name: digits\n  augment: [random_crop, {name}]\nmodel: mlp\nloss: {loss}\n{QUIET}"
    )
    answer = cnncli("train", config)
    assert answer.code == 2
    assert f"config.yaml:3: dataset.augment: {name} gives every sample shares of classes" in answer.err
    assert loss in answer.err
    assert not Path("runs").exists()


def test_other_tasks_and_what_has_no_classes_are_refused(
    cnncli: Cli, write_config: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_pictures(tmp_path / "set", {"a": 8, "b": 8})
    config = write_config(
        f"dataset: {{name: image_folder, root: {root}, image_size: 8, augment: [mixup]}}\n"
        f"model: mlp\ntask: binary\n{QUIET}"
    )
    answer = cnncli("train", config)
    assert answer.code == 2
    assert "dataset.augment: mixup gives every sample shares of classes, which binary" in answer.err


@pytest.mark.parametrize("settings", ["augment: [mixup]", "sampler: balanced"])
def test_data_without_pictures_or_classes_are_refused(
    cnncli: Cli, write_config: Callable[..., Path], settings: str
) -> None:
    Path("t.csv").write_text("x,y\n" + "".join(f"{i},{2 * i}.5\n" for i in range(40)))
    answer = cnncli(
        "train",
        write_config(f"dataset: {{name: csv, file: t.csv, target: y, {settings}}}\nmodel: mlp\ntask: regression\n"),
    )
    assert answer.code == 2
    assert settings.partition(":")[0] in answer.err


@pytest.mark.parametrize("alpha", [0, -1.0])
def test_an_impossible_alpha_is_refused(cnncli: Cli, write_config: Callable[..., Path], alpha: float) -> None:
    config = write_config(f"dataset: {{name: digits, augment: [{{name: mixup, alpha: {alpha}}}]}}\nmodel: mlp\n")
    answer = cnncli("config", config)
    assert answer.code == 2
    assert "alpha" in answer.err


@pytest.fixture
def unbalanced(tmp_path: Path) -> Path:
    return make_pictures(tmp_path / "unbalanced", {"few": 5, "many": 60, "some": 20}, (20, 16))


@pytest.mark.parametrize("memory", ["always", "never"])
def test_the_balanced_sampler_draws_every_class_about_equally(unbalanced: Path, memory: str) -> None:
    def counts(sampler: str) -> list[float]:
        data = mixing(unbalanced, sampler=sampler, memory=memory, image_size=4)
        drawn = torch.cat([y for epoch in range(15) for _, y in training(data, epoch)])
        assert len(drawn) == 15 * 85, "an epoch is as long as before"
        return (torch.bincount(drawn).double() / len(drawn)).tolist()

    assert counts("balanced") == pytest.approx([1 / 3] * 3, abs=0.03)
    assert counts("shuffle") == pytest.approx([5 / 85, 60 / 85, 20 / 85])


def test_what_is_drawn_is_every_sample_of_a_class_alike() -> None:
    targets = torch.tensor([0] * 4 + [1] * 40)
    order = Order(44, 8, True, weights=1 / targets.bincount().double()[targets])
    drawn = torch.bincount(torch.cat([torch.cat(order.batches(epoch)) for epoch in range(200)]), minlength=44).double()
    assert (drawn[:4] / drawn.sum()).tolist() == pytest.approx([1 / 8] * 4, abs=0.02)
    assert (drawn[4:] / drawn.sum()).tolist() == pytest.approx([1 / 80] * 40, abs=0.006)


@pytest.mark.parametrize("augment", [[], ["random_horizontal_flip", "mixup"]])
@pytest.mark.parametrize("memory", ["always", "never"])
def test_balanced_batches_depend_on_seed_epoch_and_position_only(
    unbalanced: Path, memory: str, augment: list[str]
) -> None:
    data = mixing(unbalanced, *augment, sampler="balanced", memory=memory)
    whole = training(data, epoch=2)
    assert len(whole) == len(data.loader("train", CPU, training=True))
    assert same(whole, training(mixing(unbalanced, *augment, sampler="balanced", memory="always"), epoch=2))
    assert not same(whole, training(data, epoch=3))
    for start in (1, 5, len(whole)):
        assert same(training(data, epoch=2, start=start), whole[start:])


def test_evaluation_sees_every_sample_once_whatever_the_sampler(unbalanced: Path) -> None:
    for split in ("train", "val"):
        pair = [mixing(unbalanced, sampler=sampler, val_fraction=0.2) for sampler in ("balanced", "shuffle")]
        assert same(*(all_batches(data.loader(split, CPU)) for data in pair))


def test_a_resumed_run_with_both_is_the_one_that_was_never_stopped(
    cnncli: Cli, write_config: Callable[..., Path]
) -> None:
    config = write_config(
        "dataset: {name: digits, augment: [mixup, cutmix], sampler: balanced, batch_size: 128}\n"
        f"model: {{name: mlp, hidden: [16]}}\ntrain: {{epochs: 3}}\n{QUIET}"
    )
    assert cnncli("train", config, "--name", "m/whole").code == 0
    assert cnncli("train", config, "--name", "m/parts", "train.epochs=1").code == 0
    resumed = cnncli("train", config, "--resume", "runs/m/parts", "train.epochs=3")
    assert resumed.code == 0, resumed.err
    assert_same_weights("runs/m/whole/last.pt", "runs/m/parts/last.pt")


def test_a_sampler_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="sampler"):
        bundle(sampler="fair")
