"""The first layer that is computed from the training pictures, and the network of airbench that begins with it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cnncli.core.errors import ConfigError
from cnncli.core.registry import models
from cnncli.core.spec import DataSpec, Pictures
from cnncli.models.whitening import Whitening
from tests.conftest import Answer
from tests.training.helpers import assert_same_weights, load, train, weights

Cli = Callable[..., Answer]


def spec(*shape: int) -> DataSpec:
    return DataSpec(shape, ("a", "b", "c"), Pictures((0.5,) * shape[0], (0.5,) * shape[0]))


def test_whitened_patches_are_uncorrelated_and_of_variance_one() -> None:
    generator = torch.Generator().manual_seed(0)
    rough = torch.randn(400, 3, 9, 9, generator=generator)
    smooth = torch.nn.functional.avg_pool2d(rough, 2, stride=1) + 0.3 * rough.mean(1, keepdim=True)[..., :8, :8]
    smooth -= smooth.mean()
    layer = Whitening(3, kernel_size=2)
    layer.fit(smooth)
    with torch.no_grad():
        found = layer(smooth).permute(1, 0, 2, 3).flatten(1).double()
    half = found[: len(found) // 2]
    covariance = half @ half.T / half.shape[1]
    torch.testing.assert_close(covariance, torch.eye(12).double(), atol=0.05, rtol=0)
    torch.testing.assert_close(found[12:], -found[:12], atol=1e-5, rtol=0)


LAYERS = "model={name: layers, layers: [whitening, gelu, {name: conv, channels: 8}, relu, global_pool, linear]}"


@pytest.mark.parametrize("model", [LAYERS, "model={name: airbench, widths: [8, 8]}"])
def test_filters_come_from_the_data_stay_fixed_and_survive_a_resume(tiny: Path, model: str, cnncli: Cli) -> None:
    train(tiny, "whole", model)
    train(tiny, "parts", model, "train.epochs=1")
    first, last = weights("runs/tiny/parts/last.pt"), weights("runs/tiny/whole/last.pt")
    assert torch.equal(first["0.weight"], last["0.weight"])
    assert not torch.equal(first["0.bias"], last["0.bias"])
    fresh = models.build("airbench", spec(1, 8, 8), widths=(8, 8)).state_dict()["0.weight"]
    assert not torch.allclose(fresh, last["0.weight"]), "they are not the random ones that a layer begins with"
    assert cnncli("train", tiny, model, "--resume", "runs/tiny/parts").code == 0
    assert_same_weights("runs/tiny/whole/last.pt", "runs/tiny/parts/last.pt")


def test_fine_tuning_keeps_the_filters_that_its_weights_were_learned_with(tiny: Path, cnncli: Cli) -> None:
    train(tiny, "one", "model={name: airbench, widths: [8, 8]}", "train.epochs=1")
    answer = cnncli(
        "finetune", "--from", "runs/tiny/one/best.pt", tiny, "dataset.split_seed=5", "train.epochs=1", "--strategy",
        "full", "--name", "tiny/two",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    one, two = weights("runs/tiny/one/best.pt"), weights("runs/tiny/two/best.pt")
    assert torch.equal(one["0.weight"], two["0.weight"])
    assert torch.equal(one["4.weight"], two["4.weight"]), "nor do scales learn that are fixed by design"
    assert not torch.equal(one["2.weight"], two["2.weight"])


def test_whitening_is_the_first_layer_or_none(tiny: Path) -> None:
    behind = "model={name: layers, layers: [relu, whitening, global_pool, linear]}"
    with pytest.raises(ConfigError, match="make it the first layer"):
        train(tiny, "one", behind)
    inside = "model={name: layers, layers: [{name: residual, layers: [whitening]}, global_pool, linear]}"
    with pytest.raises(ConfigError, match="make it the first layer"):
        train(tiny, "one", inside)


def test_airbench_has_the_parameters_of_its_paper() -> None:
    net = models.build("airbench", spec(3, 32, 32), widths=(64, 256, 256))
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 3)
    filters = sum(p.numel() for p in net.parameters() if p.ndim == 4)
    assert filters == 24 * 12 + 9 * (24 * 64 + 64 * 64 + 64 * 256 + 256 * 256 * 3)
    with pytest.raises(ConfigError, match="larger pictures or fewer widths"):
        models.build("airbench", spec(3, 8, 8))


def test_the_convolutions_of_airbench_begin_as_the_identity() -> None:
    conv = models.build("airbench", spec(3, 32, 32), widths=(32, 32))[6]
    x = torch.randn(1, 32, 6, 6)
    torch.testing.assert_close(conv(x), x)


def test_its_dry_run_shows_it(tiny: Path, cnncli: Cli) -> None:
    assert "airbench" in cnncli("train", tiny, "model={name: airbench, widths: [8]}", "--dry-run").out
    assert load(tiny, "model={name: airbench, widths: [8]}").config.model.name == "airbench"
