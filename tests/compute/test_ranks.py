"""Two processes against one: the same weights, every sample once, the same metrics."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cnncli.compute.interrupt import StopSignal
from cnncli.compute.ranks import Ranks
from cnncli.compute.runtime import Runtime
from cnncli.config.sections import LossConfig, TrainConfig
from cnncli.core.spec import DataSpec, Pictures
from cnncli.data.order import Order, Share
from cnncli.inference.evaluate import evaluate
from cnncli.inference.predictor import load_predictor
from cnncli.optim.schedulers import Schedule
from cnncli.tasks.classification import Classification
from cnncli.tasks.metrics import Kept
from cnncli.training.display import Display
from cnncli.training.engine import TrainState, train_one_epoch
from cnncli.training.together import combine
from tests.ranks import in_ranks
from tests.training.helpers import train

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
SAMPLES, BATCH, FEATURES = 61, 6, 5  # 10 batches, of which the last has one sample more: 5 steps an epoch


def trained(ranks: Ranks, optimizer: str, epochs: int, samples: int = SAMPLES, batch: int = BATCH) -> dict[str, Any]:
    """A small network in float64 after so many epochs; balanced classes, gradients over two batches."""
    torch.manual_seed(0)
    inputs, classes = torch.randn(samples, FEATURES, dtype=torch.float64), ("a", "b", "c")
    targets = (inputs[:, 0] > 0.5).long() + (inputs[:, 1] > 0)
    model = nn.Sequential(nn.Linear(FEATURES, 7), nn.Tanh(), nn.Linear(7, 3)).double()
    spec = DataSpec((1, 1, FEATURES), classes, Pictures((0.0,), (1.0,)))
    task = Classification(spec, LossConfig(name="cross_entropy", class_weights="balanced"), CPU)
    task.fit(targets)
    task.loss_fn.double()
    assert task.divisors is not None
    task.divisors = task.divisors.double()
    moving = getattr(torch.optim, optimizer)
    made = moving(model.parameters(), lr=0.05, **({"momentum": 0.9} if optimizer == "SGD" else {}))
    state = TrainState(model, made, Schedule(made, None, "epoch", 0))
    state.parallel = ranks.parallel(model, CPU, lambda: False)
    order = Order(samples, batch, True, share=Share(ranks.index, ranks.count))
    runtime, meter = Runtime(CPU, "fp32", 0, ranks=ranks), task.meter()
    for epoch in range(epochs):
        state.batch, meter = 0, task.meter()
        batches = [(inputs[part.indices], targets[part.indices]) for part in order.parts(epoch)]
        settings = TrainConfig(accumulate=2)
        train_one_epoch(state, batches, task, runtime, settings, meter, StopSignal(), order.repeated)
        ranks.agree(StopSignal())
        combine(meter, ranks)
    return {"weights": model.state_dict(), "metrics": meter.compute(), "steps": state.global_step}


@pytest.mark.parametrize(
    ("optimizer", "epochs", "samples"), [("SGD", 20, 61), ("Adam", 20, 61), ("SGD", 2, 62), ("Adam", 2, 63)]
)
def test_two_ranks_learn_what_one_learns(optimizer: str, epochs: int, samples: int) -> None:
    """Whatever is left for the last batch: 1 sample joins the one before, 2 or 3 are too few for both."""
    alone = trained(Ranks(), optimizer, epochs, samples)
    for together in in_ranks(trained, optimizer, epochs, samples):
        assert together["steps"] == alone["steps"] >= 5 * epochs
        assert together["metrics"] == pytest.approx(alone["metrics"], abs=1e-8)
        for name, values in alone["weights"].items():
            torch.testing.assert_close(together["weights"][name], values, atol=1e-8, rtol=0)


def test_lbfgs_decides_alike_on_all_ranks() -> None:
    alone = trained(Ranks(), "LBFGS", 3, SAMPLES, SAMPLES)["weights"]
    for together in in_ranks(trained, "LBFGS", 3, SAMPLES, SAMPLES):
        for name, values in alone.items():
            torch.testing.assert_close(together["weights"][name], values, atol=1e-6, rtol=0)


def exchanged(ranks: Ranks) -> dict[str, Any]:
    """What the loop asks of the ranks, once each."""
    own = torch.arange(3 * ranks.index, dtype=torch.float32).view(-1, 1)  # rank 0 has no rows
    norm = nn.BatchNorm1d(2)
    assert norm.running_mean is not None
    norm.running_mean.fill_(ranks.index)
    ranks.even_out(nn.Sequential(norm))
    linear = nn.Linear(1, 1)
    nn.init.constant_(linear.weight, 5.0 + ranks.index)
    ranks.alike(linear)
    sums = torch.tensor([1.0, ranks.index])
    ranks.add_up([sums])
    with ranks.zero_first():
        pass
    stop = StopSignal()
    stop.received = 15 if ranks.index == 1 else None
    heard = [ranks.asked_to_stop(stop) for _ in range(2)]
    return {
        "rows": ranks.gathered(own if len(own) else None), "mean": norm.running_mean, "weight": linear.weight.item(),
        "sums": sums, "zero": ranks.from_zero(lambda: f"of {ranks.index}"), "heard": heard, "signum": stop.signum,
    }  # fmt: skip


def test_what_ranks_tell_each_other() -> None:
    for found in in_ranks(exchanged):
        assert torch.equal(found["rows"], torch.arange(3.0).view(-1, 1))
        assert torch.equal(found["mean"], torch.full((2,), 0.5))
        assert torch.equal(found["sums"], torch.tensor([2.0, 1.0]))
        assert (found["weight"], found["zero"]) == (5.0, "of 0")
        assert (found["heard"], found["signum"]) == ([False, True], 15)  # all after the same step


def judged(_ranks: Ranks, checkpoint: Path) -> tuple[dict[str, Any], list[Any]]:
    report = evaluate(load_predictor(checkpoint, ranks=_ranks), "test", Display(quiet=True)).report
    return report.metrics, list(report.blocks)


CONFIGS = {
    "classification": "dataset: {name: digits, eval_batch_size: 50}\nmodel: {name: mlp, hidden: [8]}\n",
    "binary": "dataset: {name: breast_cancer}\nmodel: {name: mlp, hidden: [4]}\ntask: binary\n",
    "regression": "dataset: {name: diabetes}\nmodel: {name: linear}\ntask: regression\n",
    "forecasting": "dataset: {name: series_csv, file: s.csv, window: 8, horizon: 3, period: 4, batch_size: 16,"
    " eval_batch_size: 5}\nmodel: {name: mlp, hidden: [4]}\ntask: forecasting\n",
    "language_modeling": "dataset: {name: text, path: t.txt, block: 8, eval_batch_size: 3}\n"
    "model: {name: lstm, hidden: 8}\ntask: language_modeling\n",
}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("kinds")
    wave = "".join(f"2024-01-01T{n // 60:02}:{n % 60:02},{n % 7 + n / 50}\n" for n in range(400))
    (folder / "s.csv").write_text("time,value\n" + wave)
    (folder / "t.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 40)
    found = {}
    for name, text in CONFIGS.items():
        path = folder / f"{name}.yaml"
        path.write_text(
            f"name: {name}\n{text}".replace(": s.csv", f": {folder}/s.csv").replace(": t.txt", f": {folder}/t.txt")
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            quiet = ("logging.tensorboard=false", "logging.samples=false", "logging.pictures=false")
            train(path, "one", "train.epochs=1", "precision=fp32", *quiet)
        found[name] = folder / "runs" / name / "one" / "best.pt"
    return found


@pytest.mark.parametrize("name", CONFIGS)
def test_a_checkpoint_is_judged_alike_by_one_and_by_two(name: str, checkpoints: dict[str, Path]) -> None:
    metrics, blocks = judged(Ranks(), checkpoints[name])
    for found, same in in_ranks(judged, checkpoints[name]):
        assert found == pytest.approx(metrics, rel=1e-6, abs=1e-6)
        assert [type(block) for block in same] == [type(block) for block in blocks]
        assert [getattr(block, "key", None) for block in same] == [getattr(block, "key", None) for block in blocks]


def test_rows_stay_in_their_order() -> None:
    kept = Kept()
    kept.add(torch.arange(3.0))
    kept.become(torch.arange(5.0))
    kept.add(torch.arange(2.0))
    assert kept.all().tolist() == [0, 1, 2, 3, 4, 0, 1]
