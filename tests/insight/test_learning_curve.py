"""``learning-curve`` and the part of the training samples that it sets."""

import math
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import ConfigError
from cnncli.core.spec import DataSpec, Pictures
from cnncli.data.part import part_of
from cnncli.insight.learning_curve import parse_fractions
from cnncli.scoring.power_law import fit_power_law
from tests.conftest import Answer

Cli = Callable[..., Answer]
PICTURES = DataSpec((1, 8, 8), ("a", "b", "c"), Pictures((0.0,), (1.0,)))


def rows(targets: torch.Tensor, fraction: float, seed: int = 0) -> list[int]:
    config = DatasetConfig(name="digits", train_fraction=fraction, train_fraction_seed=seed)
    found: list[int] = part_of(targets, PICTURES, config).tolist()
    return found


def test_parts_are_stratified_and_nested_and_those_of_their_seed() -> None:
    targets = torch.tensor([0] * 100 + [1] * 40 + [2] * 3)
    parts = [rows(targets, fraction) for fraction in (0.05, 0.1, 0.5, 1.0)]
    for smaller, larger in pairwise(parts):
        assert set(smaller) < set(larger)
    assert torch.bincount(targets[parts[1]]).tolist() == [10, 4, 1]  # no class is lost
    assert parts[-1] == list(range(143))
    assert rows(targets, 0.1) == parts[1] != rows(targets, 0.1, seed=1)
    numbers = torch.linspace(0, 1, 50)[:, None]
    assert len(rows(numbers, 0.2)) == 10


def test_a_power_law_is_found_and_foretells() -> None:
    generator = np.random.default_rng(1)

    def error(n: int) -> float:
        return 0.9 * n**-0.5 + 0.01

    sizes = (500, 1000, 2000, 3500, 5000)
    errors = {n: (error(n) * (1 + 0.03 * generator.standard_normal(3))).tolist() for n in sizes}
    law = fit_power_law(errors)
    told = law.of_runs(10_000, 3)
    assert told.low < error(10_000) < told.high
    assert told.half_width < 0.005
    gain = law.gain(5000, 2)
    assert gain.low < error(5000) - error(10_000) < gain.high
    exact = fit_power_law({n: [error(n)] for n in sizes})
    assert exact.at(20_000).value == pytest.approx(error(20_000), rel=0.02)
    assert exact.a == pytest.approx(0.9, rel=0.1)


def test_errors_that_do_not_fall_promise_nothing() -> None:
    law = fit_power_law({n: [0.2, 0.21, 0.19] for n in (100, 200, 400, 800)})
    gain = law.gain(800, 2)
    assert gain.low == pytest.approx(0, abs=1e-3)
    assert math.isclose(law.at(1600).value, 0.2, rel_tol=0.02)


@pytest.mark.parametrize("text", ["5,10,x,100", "0,5,10,100", "5,10,20,101", "10,50,100"])
def test_fractions_that_are_none_are_refused_with_some_that_are(text: str) -> None:
    with pytest.raises(ConfigError, match="write at least four percentages") as caught:
        parse_fractions(text)
    assert len(parse_fractions(str(caught.value).rpartition(" ")[2])) == 6


@pytest.mark.slow
def test_a_learning_curve_ends_with_a_law_and_goes_on_after_an_interruption(cnncli: Cli, tiny: Path) -> None:
    words = ["learning-curve", tiny, "train.epochs=1", "precision=fp32", "--fractions", "20,40,60,80,100", "--seeds"]
    assert cnncli(*words, "1").code == 0
    answer = cnncli(*words, "1,0", "--json")
    assert answer.code == 0, answer.err
    made = sorted(path.name.partition("-")[2].partition("-")[2] for path in Path("runs/tiny-learning-curve").iterdir())
    assert len(made) == 10, "those of the first command are not made again"
    assert made[0] == "100percent-seed0"
    found = answer.json
    assert [row["fraction"] for row in found["rows"]] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert [len(row["values"]) for row in found["rows"]] == [2] * 5
    assert (found["metric"], found["mode"], found["failed"], found["running"]) == ("val/accuracy", "max", [], [])
    assert found["gain"]["low"] <= found["gain"]["value"] <= found["gain"]["high"]
    last = found["rows"][-1]["mean"]
    assert found["check"]["holds"] == (found["check"]["low"] <= last <= found["check"]["high"])
    assert found["sentences"][0].startswith("With twice the data, ")
    with Image.open(found["picture"]) as picture:
        assert picture.size == (900, 504)


def test_a_run_with_a_part_goes_on_and_is_evaluated(cnncli: Cli, tiny: Path) -> None:
    part = ["dataset.train_fraction=0.1", "logging.outputs=true"]
    assert cnncli("train", tiny, *part, "--name", "tiny/one", "train.epochs=1").code == 0
    answer = cnncli("eval", "tiny/one", "--split", "train", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["metrics"]["train"]["n"] < 150


def test_a_curve_without_validation_or_of_a_part_is_refused(cnncli: Cli, tiny: Path) -> None:
    answer = cnncli("learning-curve", tiny, "checkpoint.monitor=train/loss")
    assert (answer.code, "set it to val/loss" in answer.complaint) == (2, True)
    answer = cnncli("learning-curve", tiny, "dataset.train_fraction=0.5")
    assert (answer.code, "leave it out" in answer.complaint) == (2, True)


def test_several_series_have_no_last_windows() -> None:
    from cnncli.core.series_parts import SeriesPart
    from cnncli.core.spec import Series

    part = SeriesPart("a", (0.0,), (1.0,), (1.0,))
    one = Series(("x",), ("x",), 1, False, None, (0.0,), (1.0,), (1.0,))
    config = DatasetConfig(name="series_csv", train_fraction=0.25)
    targets = torch.zeros(8, 2, 1, 4)
    spec = DataSpec((3, 1), (), one, (2, 1))
    assert part_of(targets, spec, config).tolist() == [6, 7]
    several = Series(("x",), ("x",), 1, False, None, (0.0,), (1.0,), (1.0,), (part, replace(part, id="b")), ("id",))
    with pytest.raises(ConfigError, match="leave it out, or choose a file with one"):
        part_of(targets, DataSpec((3, 1), (), several, (2, 1)), config)


@pytest.mark.slow
def test_the_commands_of_the_page_run(cnncli: Cli, tiny: Path) -> None:
    Path("my.yaml").write_text(tiny.read_text())
    page = (Path(__file__).parents[2] / "docs" / "inspect.md").read_text("utf-8")
    blocks = "".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL))
    commands = re.findall(r"^cnncli (.*)$", blocks, re.M)
    assert len(commands) == 5
    quick = ["train.epochs=1", "logging.tensorboard=false", "logging.pictures=false", "baselines=none"]
    for command in commands:
        words = shlex.split(command, comments=True)
        answer = cnncli(*words, *([] if words[0] == "inspect" else quick))
        assert answer.code == 0, f"{command}\n{answer.err}"
    assert Path("schedule.png").is_file()
    assert Path("curve.png").is_file()
