"""A run keeps its answers to validation and test samples: what its metrics are made from, of every task."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from cnncli.runs.outputs import Outputs, read_outputs
from cnncli.runs.run_folder import RunFolder
from tests.conftest import Answer

QUIET = "logging: {tensorboard: false, pictures: false}\ntrain: {epochs: 2}\n"
ROWS = "".join(f"{i % 7},{(i * 5) % 11},{i % 3},{'yes' if (i * i) % 5 > 1 else 'no'},p{i // 4}\n" for i in range(160))
SERIES = "time,value\n" + "".join(
    f"2020-01-{1 + i // 24:02}T{i % 24:02}:00,{10 + i % 5 + i / 50:.3f}\n" for i in range(240)
)
CSV = (
    "dataset: {{name: csv, path: rows.csv, target: {target}, test_fraction: 0.2, ignore: [{ignore}]{more}}}\n"
    "model: mlp\n"
)
CONFIGS = {
    "classification": CSV.format(target="c", ignore="y, who", more=""),
    "binary": CSV.format(target="y", ignore="c, who", more="") + "task: {name: binary, positive: no}\n",
    "regression": CSV.format(target="a", ignore="y, who", more="") + "task: regression\n",
    "several numbers": CSV.format(target="[a, b]", ignore="y, who", more="") + "task: regression\n",
    "groups": CSV.format(target="c", ignore="y", more=", group: who"),
    "forecasting": "dataset: {name: series_csv, path: series.csv, window: 12, horizon: 3, val_fraction: 0.2}\n"
    "model: mlp\ntask: forecasting\n",
    "text": "dataset: {name: text, path: text.txt, block: 16}\nmodel: {name: gru, hidden: 8}\n",
}  # fmt: skip


@pytest.fixture
def trained(cnncli: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunFolder]:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("a,b,c,y,who\n" + ROWS)
    Path("series.csv").write_text(SERIES)
    Path("text.txt").write_text("the quick brown fox jumps over the lazy dog, again and again. " * 40)

    def train(kind: str, *more: str) -> RunFolder:
        Path("config.yaml").write_text(CONFIGS[kind] + QUIET)
        answer = cnncli("train", "config.yaml", "--name", "kept/one", "--overwrite", *more)
        assert answer.code == 0, answer.err
        return RunFolder(Path("runs/kept/one"))

    return train


def measured(kept: Outputs) -> dict[str, float]:
    """Metrics as scikit-learn computes them from kept outputs."""
    found = {"loss": float(np.average(kept.loss, weights=kept.weight))}
    if kept.task == "classification":
        found["accuracy"] = metrics.accuracy_score(kept.target, kept.answer.argmax(1))
    if kept.task == "binary":
        truth = kept.target == kept.classes.index(kept.positive or "")
        found["accuracy"] = metrics.accuracy_score(truth, kept.answer >= kept.thresholds[0])
        found["roc_auc"] = metrics.roc_auc_score(truth, kept.answer)
    if kept.task in ("regression", "forecasting"):
        found["mae"] = metrics.mean_absolute_error(kept.target.reshape(-1), kept.answer.reshape(-1))
        found["rmse"] = metrics.root_mean_squared_error(kept.target.reshape(-1), kept.answer.reshape(-1))
    return found


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_metrics_of_a_run_are_those_of_its_kept_outputs(
    trained: Callable[..., RunFolder], cnncli: Callable[..., Answer], kind: str
) -> None:
    run = trained(kind)
    for split in ("val", "test"):
        kept = read_outputs(run.outputs(split))
        said = cnncli("eval", run.path, "--split", split, "--json").json["metrics"][split]
        assert len(kept.ids) == len(set(kept.ids.tolist())) == len(kept.loss)
        for name, value in measured(kept).items():
            assert said[name] == pytest.approx(value, rel=1e-4), (split, name)
        assert kept.order == (kind in ("forecasting", "text"))
        assert len(kept.groups) == (len(kept.ids) if kind == "groups" else 0)
        assert len(kept.embedding) == (0 if kept.order else len(kept.ids))


def test_what_belongs_together_is_kept_together(trained: Callable[..., RunFolder]) -> None:
    run = trained("groups")
    val, test = (set(read_outputs(run.outputs(split)).groups.tolist()) for split in ("val", "test"))
    assert val
    assert test
    assert not val & test


def test_eval_adds_what_an_older_run_lacks_and_changes_nothing_else(
    trained: Callable[..., RunFolder], cnncli: Callable[..., Answer]
) -> None:
    run = trained("classification")
    whole = run.outputs("val").read_bytes()
    run.outputs("val").unlink()
    assert cnncli("eval", run.path, "--split", "test").code == 0
    assert not run.outputs("val").exists()
    assert cnncli("eval", run.path, "--split", "val").code == 0
    assert run.outputs("val").read_bytes() == whole


def test_outputs_can_be_switched_off_for_eval_too(
    trained: Callable[..., RunFolder], cnncli: Callable[..., Answer]
) -> None:
    run = trained("classification", "logging.outputs=false")
    assert cnncli("eval", run.path, "--split", "val").code == 0
    assert not (run.path / "outputs").exists()


def test_a_file_that_would_be_too_large_is_left_out_with_a_note(
    trained: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnncli.training.keep_outputs.MOST", 0)
    run = trained("classification")
    assert run.result.is_file()
    assert not run.outputs("val").exists()
