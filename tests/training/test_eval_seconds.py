"""The seconds of an evaluation end when the device is done."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.conftest import Answer


def test_the_device_is_waited_for_before_the_clock_is_read(
    tiny: Path, cnncli: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[torch.device] = []

    def slow(device: torch.device) -> None:
        asked.append(device)
        time.sleep(0.3)

    monkeypatch.setattr("cnncli.training.report.wait_for", slow)
    assert cnncli("train", tiny, "train.epochs=2", "--name", "tiny/one").code == 0
    assert asked == [torch.device("cpu")] * 4, "once for each evaluation and the last two, not in a step"
    records = [json.loads(line) for line in Path("runs/tiny/one/metrics.jsonl").read_text().splitlines()]
    assert all(record["eval_seconds"] >= 0.3 for record in records)
