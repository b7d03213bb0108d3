"""What is chosen by measuring: when a trial is made, what it decides, and that it is remembered."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cnncli.core.files import cache_folder
from cnncli.runs.checkpoint import load_checkpoint
from cnncli.training import choose as room
from cnncli.training.build import build_experiment
from tests.conftest import Answer
from tests.training.helpers import assert_same_weights, load, train

Cli = Callable[..., Answer]
CNN = "model={name: simple_cnn, channels: [8], hidden: 16}"


def untracked(items: Any, total: int, what: str) -> Any:
    return items


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Every run is worth a trial on a machine made for bf16; the times it would take are those in the dict."""
    state: dict[str, Any] = {"bf16": 1.0, "fp32": 2.0, "trials": 0}

    def timed(steps: dict[str, Callable[[], None]]) -> dict[str, float]:
        state["trials"] += 1
        for step in steps.values():
            step()
        return {name: float(state[name]) for name in steps}

    monkeypatch.setattr(room, "timed", timed)
    monkeypatch.setattr(room, "made_for_bf16", lambda device: True)
    monkeypatch.setattr(room, "WORTH_A_TRIAL", 0.0)
    monkeypatch.setattr(room, "WORTH_COMPILING", {"cpu": 1e12, "cuda": 1e12})
    return state


def test_bf16_is_taken_where_it_is_clearly_faster_and_said_so(tiny: Path, tried: dict[str, Any], cnncli: Cli) -> None:
    answer = cnncli("train", tiny, CNN, "--name", "tiny/one")
    assert "bf16 (bf16 was 2.00 times as fast as fp32 in a trial)" in answer.err
    saved = load_checkpoint(Path("runs/tiny/one/best.pt")).config
    assert saved.precision == "bf16", "the run is written down as it was"
    assert saved.compute.compile == "off"


@pytest.mark.parametrize("fp32", [1.1, 0.5])
def test_fp32_stays_where_bf16_gains_little_or_loses(tiny: Path, tried: dict[str, Any], fp32: float) -> None:
    tried["fp32"] = fp32
    experiment = build_experiment(load(tiny, CNN), untracked)
    assert experiment.runtime.precision == experiment.config.precision == "fp32"
    assert "bf16 was" in experiment.reason


def test_a_choice_is_remembered_so_that_the_same_run_is_the_same_again(tiny: Path, tried: dict[str, Any]) -> None:
    train(tiny, "one", CNN)
    tried["bf16"] = 100.0  # the machine is busy now
    train(tiny, "two", CNN)
    assert tried["trials"] == 1
    assert_same_weights("runs/tiny/one/last.pt", "runs/tiny/two/last.pt")
    build_experiment(load(tiny, CNN, "dataset.batch_size=64"), untracked)
    assert tried["trials"] == 2, "another batch size is another question"


def test_a_damaged_memory_of_choices_is_as_good_as_none(tiny: Path, tried: dict[str, Any]) -> None:
    train(tiny, "one", CNN)
    (file,) = (cache_folder() / "choices").glob("*.json")
    for content in ("{nonsense", "[1]", '{"precision": 3}'):
        file.write_text(content)
        assert build_experiment(load(tiny, CNN), untracked).config.precision == "bf16"
        assert json.loads(file.read_text())["precision"] == "bf16"


def test_a_trial_is_said_while_it_is_waited_for(
    tiny: Path, cnncli: Cli, tried: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    @contextmanager
    def status(what: str) -> Iterator[None]:
        told.extend([what] if "importing" not in what else [])
        yield

    monkeypatch.setattr("cnncli.cli.app.status", status)
    assert cnncli("train", tiny, CNN, "--dry-run").code == 0
    assert told == []
    assert cnncli("train", tiny, CNN, "train.epochs=1").code == 0
    assert told == ["timing what is fastest for this network here"]
    assert tried["trials"] == 1


def test_what_a_trial_found_is_said_where_nothing_changes(tiny: Path, tried: dict[str, Any]) -> None:
    experiment = build_experiment(load(tiny, CNN, "precision=fp32"), untracked)
    assert tried["trials"] == 1
    assert experiment.reason == "not compiled: by a trial all steps take 44 s, too short a run to gain from it"


def test_a_trial_leaves_weights_statistics_and_random_numbers_alone(tiny: Path, tried: dict[str, Any]) -> None:
    tried["fp32"] = 0.5
    train(tiny, "tried", "model={name: resnet8, width: 4}")
    train(tiny, "told", "model={name: resnet8, width: 4}", "precision=fp32", "compute.compile=off")
    assert_same_weights("runs/tiny/tried/last.pt", "runs/tiny/told/last.pt")


@pytest.mark.parametrize("overrides", [("precision=fp32",), ("precision=bf16",)])
def test_what_the_config_says_is_not_tried(tiny: Path, tried: dict[str, Any], overrides: tuple[str, ...]) -> None:
    experiment = build_experiment(load(tiny, CNN, *overrides, "compute.compile=off"), untracked)
    assert tried["trials"] == 0
    assert f"precision={experiment.config.precision}" == overrides[0]


def test_rows_and_series_keep_all_their_digits(tried: dict[str, Any], write_config: Callable[..., Path]) -> None:
    path = write_config("dataset: iris\nmodel: mlp\ntrain: {epochs: 1}\n")
    assert build_experiment(load(path), untracked).config.precision == "fp32"
    assert tried["trials"] == 0


def test_small_runs_are_not_worth_a_trial(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "made_for_bf16", lambda device: True)
    monkeypatch.setattr(room, "timed", lambda steps: pytest.fail("a trial was made"))
    assert build_experiment(load(tiny, CNN), untracked).config.precision == "fp32"


def test_operations_are_three_forward_passes_of_every_sample(tiny: Path) -> None:
    experiment = build_experiment(load(tiny, "model={name: mlp, hidden: []}"), untracked)
    loader = experiment.loader("train", training=True)
    data, state = experiment.data, experiment.state
    trial = room.Trial(experiment.config, data.spec, state.model, experiment.task, loader, experiment.runtime)
    batches, epochs = len(loader), 2
    assert room.operations(trial) == 3 * (2 * 64 * 10) * 128 * batches * epochs


def test_resuming_keeps_what_was_chosen(tiny: Path, tried: dict[str, Any], cnncli: Cli) -> None:
    train(tiny, "whole", CNN)
    train(tiny, "parts", CNN, "train.epochs=1")
    assert cnncli("data", "cache", "--clear").code == 0
    tried["fp32"] = 0.1  # another trial would choose fp32
    answer = cnncli("train", tiny, CNN, "--resume", "runs/tiny/parts")
    assert answer.code == 0, answer.err
    assert_same_weights("runs/tiny/whole/last.pt", "runs/tiny/parts/last.pt")
    refused = cnncli("train", tiny, CNN, "precision=fp32", "train.epochs=3", "--resume", "runs/tiny/parts")
    assert refused.code == 2
    assert "precision" in refused.err


def test_the_shortest_time_counts_and_the_first_rounds_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {"one": iter([9.0, 9.0, 5.0, *[6.0] * 20]), "two": iter([0.1, 0.1, 7.0, *[4.0] * 20])}
    clock = [0.0]
    monkeypatch.setattr(room.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(room, "TRIAL_SECONDS", 1e9)

    def step(name: str) -> Callable[[], None]:
        def go() -> None:
            clock[0] += next(times[name])

        return go

    assert room.timed({name: step(name) for name in times}) == {"one": 5.0, "two": 4.0}


def test_a_dry_run_makes_no_trial(tiny: Path, tried: dict[str, Any], cnncli: Cli) -> None:
    assert "training begins with a trial" in cnncli("train", tiny, CNN, "--dry-run").out
    assert tried["trials"] == 0
