"""``inspect --plan`` and ``--picture``: what is told before the first epoch, beside what then happens."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cnncli.training.build import build_experiment
from cnncli.training.configs import load_config
from cnncli.training.display import Display
from cnncli.training.outlook import rates
from tests.conftest import Answer

Cli = Callable[..., Answer]


def steps_and_rates(config: Path, *overrides: str) -> tuple[list[float], list[list[float]]]:
    loaded = load_config(config, ["precision=fp32", *overrides])
    return rates(build_experiment(loaded, Display(quiet=True).track, measure=False))


@pytest.mark.usefixtures("reports")
def test_the_plan_is_what_then_happens(cnncli: Cli, tiny: Path) -> None:
    words = ["precision=fp32", "checkpoint.every=1", "baselines=none"]
    answer = cnncli("inspect", tiny, "--plan", "--json", *words)
    assert answer.code == 0, answer.err
    plan = answer.json["plan"]
    assert plan["epoch_seconds"] == pytest.approx(plan["train_seconds"] + plan["eval_seconds"])
    assert plan["peak_memory"] > 2**27
    assert not Path("runs").exists(), "nothing is kept of it"
    assert cnncli("train", tiny, *words, "--name", "tiny/one").code == 0
    files = {path.name: path.stat().st_size for path in Path("runs/tiny/one").rglob("*") if path.is_file()}
    assert plan["checkpoint"] == pytest.approx(files["last.pt"], rel=0.05)
    assert plan["disk"] == pytest.approx(sum(files.values()), rel=0.25)


def test_a_schedule_is_that_of_the_run(tiny: Path) -> None:
    places, groups = steps_and_rates(
        tiny, "scheduler.name=cosine", "scheduler.warmup_epochs=1", "optimizer.lr=0.1", "train.epochs=4"
    )
    steps = len(places) // 4
    assert places == pytest.approx([number / steps for number in range(4 * steps)])
    (found,) = groups
    assert found[: steps + 1] == pytest.approx([0.1 * min((n + 1) / steps, 1) for n in range(steps + 1)])
    assert found[steps] == max(found)
    assert found[-1] < 0.001


def test_a_step_schedule_and_a_plateau(tiny: Path) -> None:
    _, ((*stairs,),) = steps_and_rates(
        tiny, "scheduler.name=step", "scheduler.step_size=1", "optimizer.lr=0.1", "train.epochs=2"
    )
    assert sorted(set(stairs), reverse=True) == pytest.approx([0.1, 0.01])
    _, ((*flat,),) = steps_and_rates(
        tiny, "scheduler.name=plateau", "scheduler.patience=0", "optimizer.lr=0.1", "train.epochs=4"
    )
    assert set(flat) == {0.1}


def test_the_picture_of_the_schedule(cnncli: Cli, tiny: Path) -> None:
    assert cnncli("inspect", tiny, "--picture", "schedule.png", "scheduler.name=one_cycle").code == 0
    with Image.open("schedule.png") as picture:
        assert picture.size == (900, 360)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--plan", "--input", "1,8,8"], "--plan needs the data, --input does without; leave out --input"),
        (["--picture", "x.png", "--ckpt", "latest"], "--ckpt about a trained network; leave out --picture"),
    ],
)
def test_what_does_not_go_together(cnncli: Cli, tiny: Path, words: list[str], told: str) -> None:
    answer = cnncli("inspect", tiny, *words)
    assert (answer.code, told in answer.complaint) == (2, True)
