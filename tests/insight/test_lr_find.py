"""``lr-find``: the range test, what it suggests, and what it refuses."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cnncli.insight.checkup.range_test import RangeTest, Smoothing, has_diverged
from tests.conftest import Answer

Cli = Callable[..., Answer]
NET = """\
dataset: {name: iris, batch_size: 16}
model: {name: mlp, hidden: [16]}
"""


def falling(steps: int = 100) -> RangeTest:
    """A loss that falls by a sigmoid around the rate of step 60, and rises from step 80 on."""
    rates = tuple(1e-7 * 1.2**i for i in range(steps))
    losses = tuple(2.3 - 2 / (1 + math.exp((60 - i) / 3)) + max(i - 80, 0) * 0.1 for i in range(steps))
    return RangeTest(rates, losses, losses, False)


def test_the_suggestion_is_where_the_loss_falls_fastest() -> None:
    test = falling()
    assert test.steepest is not None
    assert abs(test.steepest - 60) <= 2
    assert abs(test.lowest - 79) <= 2


def test_no_fall_gives_no_suggestion() -> None:
    rising = tuple(1.0 + 0.01 * i for i in range(50))
    assert RangeTest(tuple(1e-5 * 1.3**i for i in range(50)), rising, rising, False).steepest is None


def test_smoothing_does_not_begin_at_zero_and_divergence_is_four_times_the_lowest() -> None:
    smoothing = Smoothing(0.9)
    assert smoothing.add(3.0) == pytest.approx(3.0)
    assert smoothing.add(1.0) == pytest.approx((0.9 * 0.1 * 3 + 0.1 * 1) / (1 - 0.81))
    assert has_diverged([1.0] * 10 + [4.1])
    assert not has_diverged([1.0] * 10 + [3.9])
    assert has_diverged([1.0, math.nan])


def test_it_writes_a_picture_and_the_words_for_the_command_line(
    cnncli: Cli, write_config: Callable[..., Path], tmp_path: Path
) -> None:
    config = write_config(NET)
    answer = cnncli("lr-find", config, "--json")
    assert answer.code == 0, answer.err
    found = answer.json
    assert 1e-3 < found["suggestion"] < 1
    assert found["settings"] == [f"optimizer.lr={found['suggestion']:.2g}"]
    assert len(found["rates"]) == len(found["losses"]) == len(found["smoothed"]) <= 100
    assert found["rates"][0] == pytest.approx(1e-7)
    with Image.open(tmp_path / "lr-find.png") as picture:
        assert picture.width > 500
    assert not Path("runs").exists()
    words = cnncli("lr-find", config).out.splitlines()[-1]
    assert words == found["settings"][0]
    assert cnncli("config", config, words).code == 0  # what it prints is taken


def test_all_rates_rise_by_the_same_factor(cnncli: Cli, write_config: Callable[..., Path]) -> None:
    config = write_config(NET + "optimizer: {name: muon, lr: 0.1, adam_lr: 0.01}\n")
    found = cnncli("lr-find", config, "--json", "--steps", "40").json
    rates = dict(setting.split("=") for setting in found["settings"])
    assert float(rates["optimizer.lr"]) == pytest.approx(10 * float(rates["optimizer.adam_lr"]), rel=0.1)


def test_the_top_of_a_cycle_counts(cnncli: Cli, write_config: Callable[..., Path]) -> None:
    config = write_config(NET + "scheduler: {name: one_cycle, max_lr: 0.02}\n")
    found = cnncli("lr-find", config, "--json", "--steps", "40").json
    assert found["lr"] == pytest.approx(0.02)
    assert any(setting.startswith("scheduler.max_lr=") for setting in found["settings"])


@pytest.mark.parametrize("name", ["lbfgs", "rprop"])
def test_optimizers_that_choose_their_own_steps_are_refused(
    name: str, cnncli: Cli, write_config: Callable[..., Path]
) -> None:
    config = write_config(NET)
    answer = cnncli("lr-find", config, f"optimizer.name={name}")
    assert answer.code == 2
    last = answer.err.splitlines()[-1]
    assert "optimizer.name" in last and "set optimizer.name to another, as sgd or adam" in last  # noqa: PT018
    assert cnncli("lr-find", config, "optimizer.name=sgd", "--steps", "20").code == 0


def test_a_range_that_is_none_is_refused(cnncli: Cli, write_config: Callable[..., Path]) -> None:
    answer = cnncli("lr-find", write_config(NET), "--low", "1", "--high", "0.1")
    assert answer.code == 2
    assert answer.err.splitlines()[-1] == "error: --low 1 is not below --high 0.1; choose another range"
