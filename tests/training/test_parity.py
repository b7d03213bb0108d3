"""The engine against plain PyTorch: equal weights, not nearly equal ones."""

from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from cnncli.core.seeding import derive_seed
from cnncli.data.sources import ArraySource
from cnncli.training.build import build_experiment
from tests.training.helpers import load, train, weights

EPOCHS, BATCH = 2, 100


def plain_loop(train_part: torch.Tensor, fast: bool) -> dict[str, torch.Tensor]:
    """What a careful person writes without cnncli."""
    digits = load_digits()
    images = torch.from_numpy((digits.images * 15.9375).round()).float().unsqueeze(1) / 255
    targets = torch.from_numpy(digits.target).long()
    images, targets = images[train_part], targets[train_part]
    images = (images - 0.5) / 0.5
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(128, 16), nn.ReLU(), nn.Linear(16, 10),
    )  # fmt: skip
    if fast:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fast)
    for epoch in range(EPOCHS):
        model.train()
        generator = torch.Generator().manual_seed(derive_seed(0, "shuffle", epoch))
        for batch in torch.randperm(len(images), generator=generator).split(BATCH):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images[batch]), targets[batch])
            loss.backward()
            optimizer.step()
    return model.state_dict()


CONFIG = f"""\
dataset: {{name: digits, batch_size: {BATCH}, normalize: half}}
model: {{name: simple_cnn, channels: [8], hidden: 16}}
train: {{epochs: {EPOCHS}}}
logging: {{tensorboard: false, samples: false}}
"""


def training_part(path: Path) -> torch.Tensor:
    """The indices that cnncli trains on, found by the pictures themselves."""
    source = build_experiment(load(path), lambda items, total, what: items).data.sources["train"]
    assert isinstance(source, ArraySource)
    digits = load_digits()
    every = torch.from_numpy((digits.images * 15.9375).round()).to(torch.uint8).flatten(1).tolist()
    place = {tuple(picture): number for number, picture in enumerate(every)}
    return torch.tensor([place[tuple(picture)] for picture in source.inputs.flatten(1).tolist()])


@pytest.mark.parametrize("fast", [True, False])
def test_engine_and_plain_loop_end_with_equal_weights(tmp_path: Path, fast: bool) -> None:
    path = tmp_path / "parity.yaml"
    path.write_text(CONFIG)
    result = train(path, "one", *(() if fast else ("optimizer.fused=false", "compute.memory_format=contiguous")))
    expected = plain_loop(training_part(path), fast)
    found = weights(result["last"])
    assert list(found) == list(expected)
    for name in expected:
        assert torch.equal(found[name], expected[name]), name


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [2, 3])
def test_accumulated_batches_step_like_one_large_batch(tmp_path: Path, accumulate: int) -> None:
    path = tmp_path / "parity.yaml"
    path.write_text(CONFIG)
    large = train(path, "large", f"dataset.batch_size={BATCH * accumulate}", "optimizer.name=sgd", "optimizer.lr=0.1")
    small = train(path, "small", f"train.accumulate={accumulate}", "optimizer.name=sgd", "optimizer.lr=0.1")
    one, two = weights(large["last"]), weights(small["last"])
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-6)


def test_reported_loss_is_that_of_the_whole_split_in_one_batch(tmp_path: Path) -> None:
    path = tmp_path / "parity.yaml"
    path.write_text(CONFIG)
    result = train(path, "one", "dataset.eval_batch_size=64")
    experiment = build_experiment(load(path, "dataset.eval_batch_size=1000"), lambda items, total, what: items)
    experiment.state.model.load_state_dict(weights(result["best"]))
    ((inputs, targets),) = experiment.loader("test").epoch(0)
    with torch.no_grad():
        logits = experiment.state.model.eval()(inputs)
    assert result["metrics"]["test"]["loss"] == pytest.approx(F.cross_entropy(logits, targets).item(), abs=1e-5)
    assert result["metrics"]["test"]["accuracy"] == (logits.argmax(1) == targets).double().mean().item()


@pytest.mark.slow
def test_evaluation_does_not_disturb_training(tmp_path: Path) -> None:
    path = tmp_path / "parity.yaml"
    path.write_text(CONFIG)
    small = train(path, "small", "dataset.eval_batch_size=16", "model.dropout=0.3")
    large = train(path, "large", "dataset.eval_batch_size=1000", "model.dropout=0.3")
    one, two = weights(small["last"]), weights(large["last"])
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_clipping_bounds_the_step(tmp_path: Path) -> None:
    path = tmp_path / "parity.yaml"
    path.write_text(CONFIG)
    common = ("optimizer.name=sgd", "optimizer.lr=1.0", "train.epochs=1", "dataset.batch_size=2000")
    start = weights(train(path, "start", *common, "train.clip_grad_norm=1e-12")["last"])
    moved = weights(train(path, "moved", *common, "train.clip_grad_norm=0.01")["last"])
    distance = torch.cat([(moved[name] - start[name]).flatten() for name in start]).norm().item()
    assert distance == pytest.approx(0.01, rel=1e-3)
    by_value = weights(train(path, "value", *common, "train.clip_grad_value=1e-3")["last"])
    largest = max((by_value[name] - start[name]).abs().max().item() for name in start)
    assert largest == pytest.approx(1e-3, rel=1e-2)
