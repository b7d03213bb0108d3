"""Grad-CAM: which layer has the map, what the heat is of, and that nothing stays behind."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cnncli.cli.app import run
from cnncli.config.sections import LossConfig
from cnncli.core.errors import NoMap
from cnncli.inference.predictor import Predictor, load_predictor
from cnncli.insight.class_scores import class_scores, predicted
from cnncli.insight.gradcam import heat, map_layer, overlay
from cnncli.insight.maps import find_map
from cnncli.tasks.binary import Binary

NET = (
    "dataset: {name: digits, batch_size: 200}\ntrain: {epochs: 1}\nbaselines: none\n"
    "logging: {tensorboard: false, samples: false, pictures: false, outputs: false}\n"
)


def trained(folder: Path, model: str, more: str = "") -> Predictor:
    """A network of digits after one epoch."""
    config, name = folder / "net.yaml", model.partition(",")[0].strip("{} ").rpartition(" ")[2]
    config.write_text(f"{NET}model: {model}\n{more}")
    assert run(["train", str(config), "--name", name, "--runs-dir", str(folder / "runs")]) == 0
    return load_predictor(next((folder / "runs" / name).glob("*/best.pt")))


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return trained(tmp_path_factory.mktemp("net"), "{name: simple_cnn, channels: [8], hidden: 16}")


@pytest.fixture
def pictures(predictor: Predictor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return predictor.inputs(torch.randint(0, 256, (5, *predictor.spec.input_shape), generator=generator).byte())


def hooks(network: nn.Module) -> int:
    return sum(len(layer._forward_hooks) + len(layer._backward_hooks) for layer in network.modules())


def test_heat_is_the_weighted_map_and_no_hook_stays(predictor: Predictor, pictures: Tensor) -> None:
    found = heat(predictor, pictures)
    assert found.shape == (5, 8, 8)
    assert found.dtype == torch.float32
    assert found.min() >= 0
    assert set(found.amax((1, 2)).tolist()) <= {0.0, 1.0}
    assert hooks(predictor.network) == 0
    assert all(each.grad is None for each in predictor.network.parameters())
    by_hand(predictor, pictures, found)


def by_hand(predictor: Predictor, pictures: Tensor, found: Tensor) -> None:
    """The formula of the paper, written with nothing but autograd."""
    layer = find_map(predictor.network, pictures)
    assert layer is not None
    assert layer.size == (4, 4)
    network, end = predictor.network, int(layer.name) + 1
    assert isinstance(network, nn.Sequential)
    maps = network[:end](pictures).detach().requires_grad_()
    network[end:](maps).amax(1).sum().backward()
    assert maps.grad is not None
    cam = (maps.grad.mean((2, 3), keepdim=True) * maps).sum(1).clamp(min=0).detach()
    large = nn.functional.interpolate(cam[:, None], (8, 8), mode="bilinear")[:, 0]
    assert torch.allclose(found * large.amax((1, 2), keepdim=True), large, atol=1e-5)
    predictor.network.zero_grad(set_to_none=True)


def test_each_picture_has_the_class_that_is_asked_for(predictor: Predictor, pictures: Tensor) -> None:
    classes = torch.tensor([0, 1, 2, 3, 4])
    together = heat(predictor, pictures, classes)
    alone = torch.cat([heat(predictor, pictures[i : i + 1], classes[i : i + 1]) for i in range(5)])
    assert torch.allclose(together, alone, atol=1e-5)
    assert not torch.allclose(together, heat(predictor, pictures, classes.flip(0)))


def test_it_works_without_gradients_and_for_a_frozen_network(predictor: Predictor, pictures: Tensor) -> None:
    wanted = heat(predictor, pictures)
    predictor.network.requires_grad_(False)
    try:
        with torch.inference_mode():
            assert torch.equal(heat(predictor, pictures), wanted)
    finally:
        predictor.network.requires_grad_(True)


def test_an_mlp_has_no_map(tmp_path: Path) -> None:
    predictor = trained(tmp_path, "{name: mlp, hidden: [8]}")
    inputs = predictor.inputs(torch.zeros(1, *predictor.spec.input_shape, dtype=torch.uint8))
    assert map_layer(predictor.network, inputs) is None
    with pytest.raises(NoMap, match="no layer of mlp has a map of places, which gradcam needs; occlusion needs none"):
        heat(predictor, inputs)


@pytest.mark.parametrize("positive", [0, 1])
def test_one_logit_speaks_for_one_class_and_against_the_other(positive: int) -> None:
    spec: Any = SimpleNamespace(classes=("dark", "light"))
    task = Binary(spec, LossConfig(name="bce_with_logits"), torch.device("cpu"), positive=spec.classes[positive])
    predictor: Any = SimpleNamespace(task=task, classes=spec.classes)
    logits = torch.tensor([[3.0], [-2.0], [0.5]])
    answers = predicted(predictor, logits)
    assert answers.tolist() == [positive, 1 - positive, positive]
    assert class_scores(predictor, logits, answers).tolist() == [3.0, 2.0, 0.5]
    assert class_scores(predictor, logits, 1 - answers).tolist() == [-3.0, -2.0, -0.5]


class Tokens(nn.Module):
    """A vision transformer in a few lines: with a class token only its own last copy reaches the answer."""

    def __init__(self, class_token: bool) -> None:
        super().__init__()
        self.class_token = class_token
        self.patches = nn.Conv2d(3, 12, 4, 4)
        self.block = nn.TransformerEncoderLayer(12, 2, 24, batch_first=True, norm_first=True)
        self.norm = nn.LayerNorm(12)
        self.head = nn.Linear(12, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits ``[N, 3]``."""
        tokens = self.patches(inputs).flatten(2).transpose(1, 2)
        if self.class_token:
            tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1)
        tokens = self.norm(self.block(tokens))
        found: Tensor = self.head(tokens[:, 0] if self.class_token else tokens.mean(1))
        return found


class ChannelsLast(nn.Module):
    """A map whose channels stand last, as in Swin."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.norm, self.head = nn.Conv2d(3, 12, 4, 4), nn.LayerNorm(12), nn.Linear(12, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits ``[N, 3]``."""
        found: Tensor = self.head(self.norm(self.patches(inputs).permute(0, 2, 3, 1)).mean((1, 2)))
        return found


def test_tokens_of_places_and_channels_that_stand_last_are_maps() -> None:
    inputs = torch.rand(2, 3, 20, 24)
    for network, name in ((Tokens(True), "block.norm1"), (Tokens(False), "norm"), (ChannelsLast(), "norm")):
        found = find_map(network.eval(), inputs)
        assert found is not None, network
        assert (found.name, found.size) == (name, (5, 6))
        assert found.to_map is not None
        values = torch.zeros(1, 5, 6, 12) if name == "norm" and isinstance(network, ChannelsLast) else None
        tokens = torch.zeros(1, 30 + (name == "block.norm1"), 12) if values is None else values
        assert found.to_map(tokens).shape == (1, 12, 5, 6)
        assert found.of_tokens == isinstance(network, Tokens)


def test_tokens_are_weighed_place_by_place_unless_asked_otherwise(predictor: Predictor) -> None:
    inputs = torch.rand(2, 3, 20, 24)
    of_tokens: Any = SimpleNamespace(
        network=Tokens(True).eval(), task=predictor.task, classes=("a", "b", "c"), path="p", config=predictor.config
    )
    classes = torch.tensor([0, 2])
    usual = heat(of_tokens, inputs, classes)
    assert torch.equal(usual, heat(of_tokens, inputs, classes, "layercam"))
    assert not torch.allclose(usual, heat(of_tokens, inputs, classes, "gradcam"))


@pytest.mark.parametrize(("name", "layer"), [("resnet18", "layer4"), ("mobilenet_v3_small", "features")])
def test_networks_of_torchvision_have_the_map_before_pooling(name: str, layer: str) -> None:
    import torchvision

    network = torchvision.models.get_model(name, num_classes=3).eval()
    found = find_map(network, torch.rand(1, 3, 128, 128))
    assert found is not None
    assert (found.name, found.size, found.to_map) == (layer, (4, 4), None)


def test_a_small_picture_takes_an_earlier_layer_rather_than_a_map_of_one_cell() -> None:
    import torchvision

    found = find_map(torchvision.models.resnet18(num_classes=3).eval(), torch.rand(1, 3, 64, 64))
    assert found is not None
    assert (found.name, found.size) == ("layer3", (4, 4))


def test_the_overlay_leaves_cold_places_as_they_are() -> None:
    picture = torch.full((6, 8, 1), 100, dtype=torch.uint8)
    warm = torch.zeros(6, 8)
    warm[:, 4:] = 1
    pixels = overlay(picture, warm).convert("RGB")
    assert pixels.size == (8, 6)
    assert pixels.getpixel((0, 0)) == (100, 100, 100)
    assert pixels.getpixel((7, 5)) != (100, 100, 100)
