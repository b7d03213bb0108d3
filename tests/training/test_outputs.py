"""Training keeps what its best weights answer to each sample of validation and test."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cnncli.core.errors import StorageError
from cnncli.data.bundle import DataBundle
from cnncli.runs.outputs import Outputs, read_outputs
from cnncli.tasks.classification import Classification
from cnncli.training import keep_outputs, recorder
from cnncli.training.recorder import Recorder, last_linear, sample_losses
from tests.conftest import Answer
from tests.ranks import in_ranks
from tests.training.helpers import train

Cli = Callable[..., Answer]
QUIET = "logging: {tensorboard: false, samples: false, pictures: false}\n"
CONFIGS = {
    "classification": "dataset: {name: digits, batch_size: 256}\nmodel: {name: mlp, hidden: [16]}\n",
    "binary": "dataset: {name: breast_cancer}\nmodel: {name: mlp, hidden: [8]}\n"
              "task: {name: binary, positive: malignant, choose: f1}\n",
    "multilabel": "dataset: {name: image_csv, path: list.csv, label: tags, image_size: 8, val_fraction: 0.2, "
                  "test_fraction: 0.2}\nmodel: {name: mlp, hidden: [8]}\ntask: multilabel\n",
    "regression": "dataset: {name: diabetes}\nmodel: {name: mlp, hidden: [8]}\n",
    "forecasting": "dataset: {name: series_csv, path: sales.csv, targets: [sold], window: 6, horizon: 2, period: 4}\n"
                   "model: {name: lstm, hidden: 8}\n",
    "language_modeling": "dataset: {name: text, path: text.txt, block: 16}\nmodel: {name: lstm, hidden: 8}\n",
}  # fmt: skip


def listed_pictures(folder: Path) -> None:
    """Pictures of two labels, both of which can be there, in pairs that belong together."""
    lines = ["path,tags,of"]
    for i in range(40):
        Image.new("RGB", (8, 8), (6 * i, 250 - 6 * i, 3 * i)).save(folder / f"{i}.png")
        lines.append(f"{i}.png,{('a', 'b', 'a|b', '')[i % 4]},{'pqrstuvwxyz'[i % 11]}")
    (folder / "list.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """A run of every task, and its result."""
    folder = tmp_path_factory.mktemp("tasks")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        listed_pictures(folder)
        days = [f"2026-01-01T{i // 60:02d}:{i % 60:02d},{10 + i % 4 + i / 50},{i % 3}" for i in range(120)]
        Path("sales.csv").write_text("\n".join(["time,sold,price", *days]) + "\n")
        Path("text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 60)
        found = {}
        for task, text in CONFIGS.items():
            path = folder / f"{task}.yaml"
            path.write_text(f"name: {task}\n{text}train: {{epochs: 1}}\n{QUIET}")
            result = train(path, "one")
            found[task] = {**result, "run": folder / result["run_dir"]}
        yield found


def kept(result: dict[str, Any], split: str = "test") -> Outputs:
    return read_outputs(result["run"] / "outputs" / f"{split}.npz")


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("task", CONFIGS)
def test_the_metrics_of_every_task_come_out_of_its_kept_outputs(
    runs: dict[str, dict[str, Any]], task: str, split: str
) -> None:
    metrics, found = runs[task]["metrics"][split], kept(runs[task], split)
    assert (found.task, found.split) == (task, split)
    assert len(set(found.ids.tolist())) == len(found.ids)
    assert np.average(found.loss, weights=found.weight) == pytest.approx(metrics["loss"], rel=1e-5)
    assert found.order == (task in ("forecasting", "language_modeling"))
    if task == "classification":
        assert (found.answer.argmax(1) == found.target).mean() == metrics["accuracy"]
        assert found.answer.sum(1) == pytest.approx(np.ones(len(found.ids)), abs=1e-5)
    elif task == "binary":
        assert found.positive == "malignant"
        said = (found.answer >= found.thresholds[0]) == (found.target == found.classes.index("malignant"))
        assert said.mean() == metrics["accuracy"]
    elif task == "multilabel":
        assert found.target.dtype == bool
        said = found.answer >= found.thresholds
        assert (said == found.target).all(1).mean() == pytest.approx(metrics["exact_match"])
    elif task == "language_modeling":
        assert (found.weight == 16).all()
        assert ((found.correct >= 0) & (found.correct <= 16)).all()
    else:
        error = found.answer - found.target
        assert (error**2).mean() ** 0.5 == pytest.approx(metrics["rmse"], rel=1e-6)
        assert found.classes == {"regression": ("progression",), "forecasting": ("sold",)}[task]


def test_ids_are_names_times_places_or_hashes(runs: dict[str, dict[str, Any]]) -> None:
    pictures, windows, passages = (kept(runs[task]).ids for task in ("multilabel", "forecasting", "language_modeling"))
    assert all(name.endswith(".png") for name in pictures)
    assert windows[0].startswith("@2026-01-01T01:")
    assert np.diff(passages.astype(int)).tolist() == [16] * (len(passages) - 1)
    assert passages[0] == str(round(2700 * 0.9))
    for task in ("classification", "binary", "regression"):
        assert all(len(name.partition("#")[0]) == 16 for name in kept(runs[task]).ids)
        assert not set(kept(runs[task]).ids) & set(kept(runs[task], "val").ids)
    assert kept(runs["forecasting"]).embedding.shape == kept(runs["language_modeling"]).embedding.shape == (0, 0)


def test_embeddings_are_what_the_last_linear_layer_is_given(runs: dict[str, dict[str, Any]]) -> None:
    from cnncli.inference.predictor import load_predictor

    found, predictor = kept(runs["classification"]), load_predictor(runs["classification"]["run"])
    assert found.embedding.shape == (len(found.ids), 16)
    layer = last_linear(predictor.network, torch.zeros(1, 1, 8, 8))
    assert layer is not None
    logits = torch.from_numpy(found.embedding.astype(np.float32)) @ layer.weight.T + layer.bias
    temperature = predictor.task.calibration.temperature  # type: ignore[attr-defined]
    assert (logits / temperature).softmax(1).detach().numpy() == pytest.approx(found.answer, abs=2e-3)


def test_rows_have_their_keys_and_groups(tmp_path: Path) -> None:
    lines = ["key,a,b,house,y"] + [f"k{i},{i % 7},{i % 5},h{i // 4},{'ja' if i % 3 else 'nein'}" for i in range(80)]
    Path("rows.csv").write_text("\n".join(lines) + "\n")
    text = "name: rows\ndataset: {name: csv, path: rows.csv, target: y, group: house%s}\nmodel: {name: linear}\n"
    for name, key in (("keyed", ", key: key"), ("hashed", ", ignore: [key]")):
        (tmp_path / f"{name}.yaml").write_text(text % key + "train: {epochs: 1}\n" + QUIET)
        train(tmp_path / f"{name}.yaml", name)
    keyed, hashed = (read_outputs(Path(f"runs/rows/{name}/outputs/test.npz")) for name in ("keyed", "hashed"))
    assert [f"h{int(name[1:]) // 4}" for name in keyed.ids] == keyed.groups.tolist() == hashed.groups.tolist()
    assert not {name[0] for name in hashed.ids} - set("0123456789abcdef")
    train(tmp_path / "hashed.yaml", "other", "dataset.split_seed=5", "dataset.features=[a]", "dataset.ignore=[]")
    other = read_outputs(Path("runs/rows/other/outputs/test.npz"))
    assert other.ids.tolist() == hashed.ids.tolist()  # whatever the columns are scaled by, and which are told


def test_a_resumed_run_keeps_the_same_outputs(tiny: Path, cnncli: Cli) -> None:
    for name in ("whole", "part"):
        train(tiny, name, "checkpoint.every=1")
    assert cnncli("train", "--resume", "runs/tiny/part/epoch-1.pt").code == 0
    for split in ("val", "test"):
        whole, part = (Path(f"runs/tiny/{name}/outputs/{split}.npz").read_bytes() for name in ("whole", "part"))
        assert whole == part


def test_a_finished_run_without_outputs_of_validation_gets_them_when_it_is_resumed(tiny: Path, cnncli: Cli) -> None:
    train(tiny, "one")
    run = Path("runs/tiny/one")
    before, result = (run / "outputs/val.npz").read_bytes(), (run / "result.json").read_bytes()
    (run / "outputs/val.npz").unlink()
    assert cnncli("train", "--resume", run).code == 0
    assert (run / "outputs/val.npz").read_bytes() == before
    assert (run / "result.json").read_bytes() == result


def test_no_result_is_lost_for_outputs(tiny: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, _outputs: Outputs) -> None:
        assert (path.parent.parent / "result.json").is_file()  # which is there before
        assert (path.parent.parent / "report.json").is_file()
        raise StorageError(f"{path}: cannot be written (disk full)")

    wanted = train(tiny, "fine")["metrics"]
    monkeypatch.setattr(keep_outputs, "write_outputs", refuse)
    answer = cnncli("train", tiny, "--name", "tiny/full", "--json")
    assert answer.code == 0
    assert answer.json["metrics"] == wanted
    lines = [line for line in answer.err.splitlines() if line.startswith("warning: ")]
    assert [line.partition(" was not written")[0] for line in lines] == [
        f"warning: runs/tiny/full/outputs/{split}.npz" for split in ("test", "val")
    ]
    monkeypatch.setattr(Classification, "answers", lambda *_given: 1 / 0)
    answer = cnncli("train", tiny, "--name", "tiny/broken", "--json")
    assert answer.code == 0
    assert answer.json["metrics"] == wanted
    assert "outputs/test.npz was not written (division by zero)" in answer.err


@pytest.mark.parametrize(("limit", "there"), [(60_000, True), (20_000, False)])
def test_what_would_be_too_large_is_left_out_embeddings_first(
    tiny: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch, limit: int, there: bool
) -> None:
    monkeypatch.setattr(recorder, "MOST", limit)
    monkeypatch.setattr(keep_outputs, "MOST", limit)
    answer = cnncli("train", tiny, "--name", "tiny/one", "model.hidden=[64]")
    assert answer.code == 0
    path = Path("runs/tiny/one/outputs/test.npz")
    assert path.is_file() == there
    if there:
        assert read_outputs(path).embedding.shape == (0, 0)
    assert f"note: {path} {'has no embeddings: with them it' if there else 'is left out: it'} would take" in answer.err


def test_who_stops_the_last_look_at_validation_loses_neither_result_nor_test(
    tiny: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tiny, "whole")
    own = keep_outputs.evaluate_split

    def stopped(*args: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return own(*args)

    with monkeypatch.context() as patch:
        patch.setattr(keep_outputs, "evaluate_split", stopped)
        answer = cnncli("train", tiny, "--name", "tiny/part")
    assert answer.code == 0
    told = "outputs/val.npz was not written (stopped); cnncli eval runs/tiny/part --split val writes it"
    assert f"warning: runs/tiny/part/{told}" in answer.err
    assert cnncli("train", "--resume", "runs/tiny/part").code == 0
    for split in ("val", "test"):
        whole, part = (Path(f"runs/tiny/{name}/outputs/{split}.npz").read_bytes() for name in ("whole", "part"))
        assert whole == part


def test_windows_of_several_series_are_named_by_their_series(tmp_path: Path) -> None:
    lines = [f"2026-01-01T{i // 60:02d}:{i % 60:02d},{shop},{10 + i % 4 + i / 50}" for shop in "pq" for i in range(90)]
    Path("shops.csv").write_text("\n".join(["time,shop,sold", *lines]) + "\n")
    (tmp_path / "shops.yaml").write_text(
        "name: shops\ndataset: {name: series_csv, path: shops.csv, series: shop, window: 6, horizon: 2, period: 4}\n"
        "model: mlp\ntrain: {epochs: 1}\n" + QUIET
    )
    train(tmp_path / "shops.yaml", "one")
    found = read_outputs(Path("runs/shops/one/outputs/test.npz"))
    assert found.ids[0].startswith("p@2026-01-01T01:")
    assert {name[0] for name in found.ids} == {"p", "q"}
    assert found.classes == ("sold",)


def test_eval_keeps_what_an_older_run_has_not_kept_and_else_nothing(tiny: Path, cnncli: Cli) -> None:
    train(tiny, "one")
    path = Path("runs/tiny/one/outputs/test.npz")
    before, stamp = path.read_bytes(), path.stat().st_mtime_ns
    assert cnncli("eval", "tiny").code == 0
    assert path.stat().st_mtime_ns == stamp
    path.unlink()
    for other in (["--ckpt", "runs/tiny/one/last.pt"], ["tiny", "dataset.eval_batch_size=7"], ["tiny", "--tta"]):
        assert cnncli("eval", *other).code == 0
        assert not path.exists()
    with pytest.raises(StorageError, match="cnncli eval runs/tiny/one --split test writes it"):
        read_outputs(path)
    assert cnncli("eval", "runs/tiny/one", "--split", "test").code == 0  # as the message says
    assert path.read_bytes() == before


def test_a_damaged_file_is_written_again_as_its_message_says(tiny: Path, cnncli: Cli) -> None:
    train(tiny, "one")
    path = Path("runs/tiny/one/outputs/val.npz")
    before = path.read_bytes()
    path.write_bytes(before[:1000])
    with pytest.raises(StorageError, match="remove it, then cnncli eval runs/tiny/one --split val writes it"):
        read_outputs(path)
    path.unlink()
    assert cnncli("eval", "runs/tiny/one", "--split", "val").code == 0
    assert path.read_bytes() == before


def test_overwriting_a_run_takes_its_outputs_along(tiny: Path, cnncli: Cli) -> None:
    train(tiny, "one")
    for _ in range(2):
        assert cnncli("eval", "tiny").code == 0
    config = [tiny, "--name", "tiny/one", "--overwrite", "logging.outputs=false", "--json"]
    assert cnncli("train", *config).json["test_looks"] == 1
    assert not Path("runs/tiny/one/outputs").exists()


def test_the_network_is_never_asked_about_the_test_split_but_once_at_the_end(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def loader(self: DataBundle, split: Any, *args: Any, **given: Any) -> Any:
        found = own(self, split, *args, **given)
        epoch = found.epoch
        if not hasattr(found, "watched"):
            found.watched = True
            found.epoch = lambda *numbers: asked.append(split) or epoch(*numbers)
        return found

    own = DataBundle.loader
    monkeypatch.setattr(DataBundle, "loader", loader)
    train(tiny, "one", "train.epochs=3", "baselines=none")  # which would read the inputs, too
    passes = [split for split in asked if split != "train"]
    assert passes == ["val"] * 3 + ["test", "val"]  # the last one for the outputs of validation


def test_a_compiled_network_answers_as_it_is_while_outputs_are_kept(tiny: Path) -> None:
    from cnncli.inference.evaluate import at_home
    from cnncli.inference.predictor import load_predictor
    from cnncli.training.display import Display

    predictor = load_predictor(Path(train(tiny, "one")["run_dir"]))
    data, _ = at_home(predictor, Display(quiet=True))
    model = predictor.network

    def compiled(*_inputs: Any) -> Any:
        raise AssertionError("a compiled network does not call hooks")

    model._compiled_call_impl = compiled  # type: ignore[assignment]
    found = Recorder(data, "test", predictor.task, "classification")
    inputs, targets = next(iter(data.loader("test", torch.device("cpu")).epoch(0)))
    with torch.inference_mode(), found.watching(model, torch.device("cpu")):
        found.record(model(inputs), targets)
    assert model._compiled_call_impl is compiled
    assert not any(module._forward_pre_hooks for module in model.modules())
    model._compiled_call_impl = None
    assert found.fault == ""
    assert found.outputs().embedding.shape == (359, 16)


def test_the_last_linear_layer_is_the_one_that_is_passed_last() -> None:
    class Crossed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head, self.body = nn.Linear(4, 2), nn.Linear(3, 4)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.head(self.body(inputs))
            return found

    model = Crossed().train()
    assert last_linear(model, torch.zeros(2, 3)) is model.head
    assert model.training
    assert last_linear(nn.Conv2d(1, 2, 3), torch.zeros(1, 1, 8, 8)) is None


def test_a_loss_that_cannot_be_mapped_is_asked_sample_by_sample() -> None:
    class Task:
        def eval_loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return outputs.sum() if bool(outputs.sum() > 0) else targets.float().mean()

    losses = sample_losses(Task(), torch.tensor([[1.0, 2.0], [-1.0, 0.0]]), torch.tensor([7, 9]))  # type: ignore[arg-type]
    assert losses.tolist() == [3.0, 9.0]


def _in_rank(_ranks: Any, config: str, folder: str) -> list[str]:
    import os

    os.chdir(folder)
    return sorted(train(Path(config), "two"))


@pytest.mark.slow
def test_several_ranks_keep_together_what_one_keeps(tiny: Path, tmp_path: Path) -> None:
    train(tiny, "one")
    in_ranks(_in_rank, str(tiny), str(tmp_path))
    assert json.loads(Path("runs/tiny/two/test_looks.json").read_text())["count"] == 1
    for split in ("val", "test"):
        one, two = (read_outputs(Path(f"runs/tiny/{name}/outputs/{split}.npz")) for name in ("one", "two"))
        assert one.ids.tolist() == two.ids.tolist()
        assert one.target.tolist() == two.target.tolist()
        assert two.answer == pytest.approx(one.answer, abs=0.02)  # other sums, so slightly other weights
        assert two.embedding.shape == one.embedding.shape
        assert replace(two, thresholds=one.thresholds).classes == one.classes
