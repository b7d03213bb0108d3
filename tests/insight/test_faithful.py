"""Deletion and insertion: a map of what decides is better than random ones, any other map is not."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from cnncli.cli.app import run
from cnncli.inference.predictor import Predictor, load_predictor
from cnncli.insight.attribution import METHODS, attribute
from cnncli.insight.explain_pictures import Wish, check
from cnncli.insight.faithful import STEPS, blurred, elsewhere, scores
from cnncli.insight.gradcam import heat
from cnncli.insight.maps import find_map
from cnncli.tasks.protocol import Naming

SIDE, PATCH = 32, 8
NAMES = ("chess", "columns", "rows")


class Corner(nn.Module):
    """Its second class is as probable as the corner of 4 × 4 pixels is light, and nothing else counts."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits ``[N, 2]``."""
        light = 8 * inputs[:, 0, :4, :4].mean((1, 2)) - 4
        return torch.stack([-light, light], dim=1)


def corner() -> Any:
    def naming(outputs: Tensor) -> Naming:
        probabilities = outputs.softmax(1)
        return Naming(probabilities, nn.functional.one_hot(probabilities.argmax(1), 2).bool())

    return SimpleNamespace(network=Corner(), task=SimpleNamespace(naming=naming), classes=("dark", "light"))


def test_the_map_of_what_decides_beats_random_ones_and_others_do_not() -> None:
    picture = torch.ones(1, 16, 16)
    right, wrong = torch.zeros(2, 16, 16)
    right[:4, :4], wrong[10:14, 10:14] = 1, 1
    found = scores(corner(), picture, 1, right)
    assert found.explains
    assert found.beaten == found.maps == 19
    assert found.deletion < 0.1 < found.random_deletion
    assert not scores(corner(), picture, 1, wrong).explains
    assert not scores(corner(), picture, 1, torch.zeros(16, 16)).explains
    small = scores(corner(), torch.full((1, 16, 16), 0.02), 1, right)
    assert (small.beaten, small.explains) == (19, False)  # it beats them by next to nothing


def test_the_areas_are_those_of_the_curves() -> None:
    picture, generator = torch.ones(1, 10, 10), torch.Generator().manual_seed(0)
    heat = torch.rand(10, 10, generator=generator)
    predictor = corner()
    order = heat.flatten().argsort(descending=True)
    for start, end, name in (
        (picture, torch.zeros_like(picture), "deletion"),
        (blurred(picture), picture, "insertion"),
    ):
        now, curve = start.flatten().clone(), list[float]()
        for step in range(STEPS + 1):
            now[order[: step * 10]] = end.flatten()[order[: step * 10]]
            curve.append(predictor.network(now.view(1, 1, 10, 10)).softmax(1)[0, 1].item())
        area = float(np.trapezoid(curve, dx=1 / STEPS))
        assert getattr(scores(predictor, picture, 1, heat), name) == pytest.approx(area, abs=1e-5)


def test_random_maps_are_the_map_at_other_places() -> None:
    heat = torch.arange(35.0).view(5, 7)
    maps = list(elsewhere(heat, 19, seed=0))
    assert all(torch.equal(each.flatten().sort().values, heat.flatten()) for each in maps)
    assert len({tuple(each.flatten().tolist()) for each in maps}) > 15


def patches(folder: Path, count: int, seed: int) -> dict[Path, tuple[int, int]]:
    """Grey noise with a patch at a random place, whose pattern is the class: the files and where the patch is."""
    rng, places = np.random.default_rng(seed), {}
    down, across = np.mgrid[:PATCH, :PATCH] // 2 % 2
    for name, pattern in zip(NAMES, ((down + across) % 2, across, down), strict=True):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.normal(128, 25, (SIDE, SIDE)).clip(0, 255)
            top, left = rng.integers(0, SIDE - PATCH + 1, 2)
            pixels[top : top + PATCH, left : left + PATCH] = pattern * 255
            path = folder / name / f"{number:03}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(path)
            places[path] = (int(top), int(left))
    return places


def shares(predictor: Predictor, inputs: Tensor, places: list[tuple[int, int]]) -> Tensor:
    """The share of each picture's heat that lies on the patch widened by one cell of the map."""
    layer = find_map(predictor.network, inputs)
    assert layer is not None
    assert layer.size == (8, 8)  # many cells do not touch the patch: at random less than a third would lie there
    cell, found = SIDE // layer.size[0], []
    for each, (top, left) in zip(heat(predictor, inputs), places, strict=True):
        wide = each[max(top - cell, 0) : top + PATCH + cell, max(left - cell, 0) : left + PATCH + cell]
        found.append(wide.sum() / each.sum().clamp(min=1e-9))
    return torch.stack(found)


def randomise(network: nn.Module) -> None:
    torch.manual_seed(0)
    for layer in network.modules():
        again: Callable[[], None] | None = getattr(layer, "reset_parameters", None)
        if again is not None:
            again()


@pytest.mark.slow
def test_grad_cam_finds_the_patch_that_decides_and_a_randomised_network_does_not(tmp_path: Path) -> None:
    patches(tmp_path / "train", 150, seed=0)
    (tmp_path / "net.yaml").write_text(
        f"dataset: {{name: image_folder, path: {tmp_path / 'train'}, batch_size: 32, val_fraction: 0.15, "
        "image_size: 32, channels: 1}\nmodel: depthwise_cnn\noptimizer: {name: adamw, lr: 2e-3, weight_decay: 0.02}\n"
        "scheduler: {name: one_cycle}\ntrain: {epochs: 8}\nbaselines: none\nlogging: {tensorboard: false}\n"
    )
    assert run(["train", str(tmp_path / "net.yaml"), "--name", "net/one"]) == 0
    new = patches(tmp_path / "new", 10, seed=1)
    predictor = load_predictor(Path("runs/net/one/best.pt"))
    pixels = torch.stack([torch.from_numpy(np.array(Image.open(path)))[None] for path in new])
    inputs, places = predictor.inputs(pixels), list(new.values())
    truth = torch.tensor([NAMES.index(path.parent.name) for path in new])
    assert (predictor.logits(pixels).argmax(1) == truth).float().mean() > 0.95
    found = shares(predictor, inputs, places)
    assert found.mean() >= 0.8
    check(predictor, Wish(METHODS))
    for method in METHODS:
        maps = attribute(predictor, inputs[::5], truth[::5], method)
        worth = [scores(predictor, *each) for each in zip(inputs[::5], truth[::5].tolist(), maps, strict=True)]
        assert sum(each.deletion < each.random_deletion for each in worth) == len(worth), method
        assert sum(each.explains for each in worth) >= 0.8 * len(worth), method
    randomise(predictor.network)
    assert shares(predictor, inputs, places).mean() < 0.5 < found.min()
    maps = heat(predictor, inputs, truth)
    assert not any(scores(predictor, *each).explains for each in zip(inputs, truth.tolist(), maps, strict=True))
