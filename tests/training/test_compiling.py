"""torch.compile: tried where a run is long, counted as often as it happens, and with CUDA graphs on GPUs."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters

from cnncli.compute.compiling import compile_network
from cnncli.config.checking import LoadedConfig
from cnncli.runs.checkpoint import load_checkpoint
from cnncli.training import choose as room
from cnncli.training.build import build_experiment
from tests.conftest import Answer
from tests.gpu.fake_device import fake_device
from tests.training.helpers import load, train

Cli = Callable[..., Answer]
CNN = "model={name: simple_cnn, channels: [8], hidden: 16}"
ON_GPU = ("device=cuda", "precision=fp32", CNN)
compile_module = nn.Module.compile


def untracked(items: Any, total: int, what: str) -> Any:
    return items


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Every run is worth a trial of compiling; the times of a step are those in the dict."""
    times = {"fp32": 1.0}

    def timed(steps: dict[str, Callable[[], None]]) -> dict[str, float]:
        for step in steps.values():
            step()
        return {name: times[name] for name in steps}

    monkeypatch.setattr(room, "timed", timed)
    monkeypatch.setattr(room, "made_for_bf16", lambda device: False)
    monkeypatch.setattr(room, "WORTH_A_TRIAL", 0.0)
    monkeypatch.setattr(room, "WORTH_COMPILING", {"cpu": 0.0, "cuda": 0.0})
    return times


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The options of every call of the compiler, which is none: the network stays as it is."""
    calls: list[dict[str, Any]] = []

    def compile_(self: nn.Module, **options: Any) -> None:
        calls.append(options)
        self._compiled_call_impl = self._call_impl

    monkeypatch.setattr(nn.Module, "compile", compile_)
    return calls


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are traced as ever, but what was traced needs no C++ compiler, which a bare machine lacks."""
    monkeypatch.setattr(
        nn.Module, "compile", lambda self, dynamic: compile_module(self, backend="eager", dynamic=dynamic)
    )
    torch._dynamo.reset()


def graphs() -> int:
    return counters["stats"]["unique_graphs"]


def choice(config: LoadedConfig) -> tuple[str, str]:
    experiment = build_experiment(config, untracked)
    return experiment.config.compute.compile, experiment.reason


def test_compiling_is_tried_on_long_runs_and_kept_where_it_pays(
    tiny: Path, tried: dict[str, float], compiled: list[dict[str, Any]]
) -> None:
    tried["on"] = 0.1
    way, reason = choice(load(tiny, CNN, "train.epochs=1000"))
    assert way == "on"
    assert compiled == [{"dynamic": False}] * 2, "the copy that was tried, and the network itself"
    assert "compiled 10.00 times as fast in a trial" in reason
    tried["on"] = 5.0
    assert choice(load(tiny, CNN, "train.epochs=1001"))[0] == "off"


def test_a_network_that_cannot_be_compiled_is_trained_as_it_is(
    tiny: Path, tried: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: nn.Module, dynamic: bool) -> None:
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(nn.Module, "compile", fails)
    way, reason = choice(load(tiny, CNN))
    assert way == "off"
    assert "torch.compile failed (no compiler here)" in reason


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("overrides", [(), ("train.ema_decay=0.9",), ("dataset.augment=[mixup]",)])
def test_a_trial_compiles_as_often_as_a_run_whatever_the_sizes_of_its_batches(
    tiny: Path, tried: dict[str, float], overrides: tuple[str, ...]
) -> None:
    tried["on"] = 0.1
    config = load(tiny, CNN, "dataset.batch_size=100", "dataset.eval_batch_size=120", *overrides)
    before = graphs()
    experiment = build_experiment(config, untracked)
    counted = graphs() - before
    assert len({len(indices) for indices in experiment.loader("train", training=True).order.batches(0)}) == 2
    assert len({len(indices) for indices in experiment.loader("val").order.batches(0)}) == 2
    before = graphs()
    train(tiny, "one", CNN, "dataset.batch_size=100", "dataset.eval_batch_size=120", *overrides)
    assert load_checkpoint(Path("runs/tiny/one/last.pt")).config.compute.compile == "on"
    averaged = "train.ema_decay=0.9" in overrides
    assert graphs() - before == counted == (1 if averaged else 2)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
def test_on_a_gpu_cuda_graphs_are_tried_as_well(
    tiny: Path, tried: dict[str, float], compiled: list[dict[str, Any]]
) -> None:
    tried |= {"on": 0.5, "cuda_graphs": 0.1}
    with fake_device():
        way, reason = choice(load(tiny, *ON_GPU, "train.epochs=1000"))
        assert way == "cuda_graphs"
        assert "with CUDA graphs 10.00 times as fast" in reason
        graph = {"dynamic": False, "mode": "reduce-overhead"}
        assert compiled == [{"dynamic": False}, graph, graph]
        tried |= {"on": 0.1, "cuda_graphs": 0.5}
        assert choice(load(tiny, *ON_GPU, "train.epochs=1001"))[0] == "on"
        tried |= {"on": 1.5, "cuda_graphs": 1.5}
        assert choice(load(tiny, *ON_GPU, "train.epochs=1002"))[0] == "off"
        compiled.clear()
        assert choice(load(tiny, *ON_GPU, "train.epochs=1003", "train.accumulate=2"))[0] == "off"
        assert compiled == [{"dynamic": False}], "gradients of several batches cannot be added up in a graph"


@pytest.mark.slow
def test_graphs_and_accumulated_gradients_do_not_go_together_and_the_advice_helps(tiny: Path, cnncli: Cli) -> None:
    answer = cnncli("train", tiny, "compute.compile=cuda_graphs", "train.accumulate=2")
    assert answer.code == 2
    assert "compute.compile: cuda_graphs cannot add up the gradients of several batches" in answer.err
    assert "set it to on, or train.accumulate: 1" in answer.err
    assert cnncli("train", tiny, "compute.compile=cuda_graphs", "train.accumulate=1", "--dry-run").code == 0
    assert cnncli("train", tiny, "compute.compile=on", "train.accumulate=2", "--dry-run").code == 0


def test_what_a_graph_gives_is_copied_before_the_next_batch_overwrites_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model, begun = nn.Linear(3, 2), []
    place = torch.empty(4, 2)

    def compile_(self: nn.Module, **options: Any) -> None:
        def replay(inputs: Tensor) -> Tensor:
            assert inputs._dynamo_weak_dynamic_indices == {0}  # type: ignore[attr-defined]
            return torch.add(self._call_impl(inputs), 0, out=place)  # to the same place every time, as a graph does

        self._compiled_call_impl = replay

    monkeypatch.setattr(nn.Module, "compile", compile_)
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: begun.append(True))
    names = set(model.state_dict())
    plain = copy.deepcopy(model)
    compile_network(model, "cuda_graphs")
    assert set(model.state_dict()) == names
    batches = torch.randn(2, 4, 3)
    with torch.no_grad():
        first, second = model(batches[0]), model(batches[1])
        assert torch.equal(first, plain(batches[0]))
        assert torch.equal(second, plain(batches[1]))
    assert len(begun) == 2


@pytest.mark.usefixtures("compiled")
def test_the_header_says_how_the_network_is_compiled(tiny: Path, cnncli: Cli) -> None:
    words = ("compute.compile=cuda_graphs", "--dry-run")
    assert "compiled, " in cnncli("train", tiny, *words).out, "as with on where there is no NVIDIA GPU"
    with fake_device():
        assert "compiled with CUDA graphs" in cnncli("train", tiny, *ON_GPU, *words).out
