"""Losses of single steps: few are kept, evenly spaced, and those of the first epoch only."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from cnncli.training import experiment
from cnncli.training.step_losses import MOST, StepLosses
from tests.conftest import Answer


@pytest.mark.parametrize("count", [0, 1, MOST, MOST + 1, 10 * MOST + 3])
def test_few_steps_are_kept_and_they_are_evenly_spaced(count: int) -> None:
    losses = StepLosses()
    for step in range(count):
        if losses.wants(step):
            losses.add(step, torch.tensor(float(step)), 0.1)
    records = losses.records()
    steps = [record["step"] for record in records]
    assert len(steps) == count if count <= MOST else MOST / 2 <= len(steps) <= MOST
    assert len({after - before for before, after in pairwise(steps)}) <= 1
    assert all(record["loss"] == record["step"] - 1 for record in records)


def test_a_step_that_is_asked_again_counts_once() -> None:
    losses = StepLosses()
    losses.add(0, torch.tensor(1.0), 0.1)
    assert not losses.wants(0)
    assert losses.wants(1)


def test_a_run_hands_the_losses_of_its_first_epoch_to_the_picture(
    tiny: Path, cnncli: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(experiment, "draw_curves", lambda curves, path: drawn.append(curves))
    monkeypatch.setattr(experiment, "draw_result", lambda *_: None)
    assert cnncli("train", tiny, "logging.pictures=true", "--name", "tiny/one").code == 0
    (curves,) = drawn
    history = [json.loads(line) for line in Path("runs/tiny/one/metrics.jsonl").read_text().splitlines()]
    steps = history[0]["global_step"]
    assert [record["step"] for record in curves.steps] == list(range(1, steps + 1))
    mean = sum(record["loss"] for record in curves.steps) / steps
    assert mean == pytest.approx(history[0]["train/loss"], rel=0.05), "the last batch is smaller"
    assert curves.metric == "accuracy"
    assert curves.best_epoch in (1, 2)
