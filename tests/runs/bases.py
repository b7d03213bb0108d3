"""Small trained runs of every kind, and what is done with their checkpoints: material for tests of altered files."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import torch
from PIL import Image

from cnncli.inference.evaluate import evaluate
from cnncli.inference.forecast import forecast
from cnncli.inference.gather import gather
from cnncli.inference.generate import generate
from cnncli.inference.inspect import inspect_checkpoint
from cnncli.inference.predict import predict_rows
from cnncli.inference.predict_pictures import predict_pictures
from cnncli.inference.predictor import load_predictor
from cnncli.runs.run_folder import RunFolder
from cnncli.training import experiment
from cnncli.training.build import build_experiment
from cnncli.training.configs import load_config, load_finetune
from cnncli.training.display import Display
from cnncli.training.fit import Fit
from cnncli.training.new_run import NewRun

QUIET = "logging: {tensorboard: false, samples: false, pictures: false}\ntrain: {epochs: 2}\ncompute: {threads: 1}\n"
KINDS = {
    "photos": "dataset: {name: image_folder, root: photos, image_size: 12, resize: 16, batch_size: 16}\n"
    "model: {name: resnet8, width: 4}\noptimizer: {name: adam}\n",
    "digits": "dataset: {name: digits, batch_size: 256}\nmodel: {name: mlp, hidden: [8]}\n"
    "optimizer: {name: sgd, lr: 0.1, momentum: 0.9}\nscheduler: {name: one_cycle}\n",
    "averaged": "dataset: {name: digits, batch_size: 256}\nmodel: {name: simple_cnn, channels: [4], hidden: 8}\n"
    "optimizer: {name: adamw}\nscheduler: {name: cosine, warmup_epochs: 0.5}\n",
    "rows": "dataset: {name: iris, batch_size: 32}\nmodel: {name: mlp, hidden: [8]}\n"
    "optimizer: {name: muon}\nscheduler: {name: plateau}\n",
    "numbers": "dataset: {name: diabetes, batch_size: 128}\nmodel: linear\noptimizer: {name: lbfgs, lr: 0.1}\n",
    "binary": "dataset: {name: breast_cancer, batch_size: 128}\nmodel: {name: mlp, hidden: [4]}\n"
    "task: {name: binary, choose: f1}\noptimizer: {name: rmsprop, momentum: 0.9}\n"
    "scheduler: {name: step, step_size: 1}\n",
    "series": "dataset: {name: series_csv, file: series.csv, window: 8, horizon: 4, period: 4}\n"
    "model: {name: lstm, hidden: 8}\noptimizer: {name: nadam}\n",
    "text": "dataset: {name: text, path: tale.txt, block: 16}\n"
    "model: {name: transformer, layers: 1, width: 16, heads: 2}\noptimizer: {name: adafactor}\n",
}  # fmt: skip
MORE = {"averaged": ["train.ema_decay=0.9"]}
PICTURES = ("photos", "digits", "averaged")


@dataclass(frozen=True)
class Base:
    """A run that stopped after its first epoch of two: ``last.pt`` can be resumed, and answers like ``best.pt``."""

    kind: str
    folder: Path

    @property
    def last(self) -> Path:
        return RunFolder(self.folder).last


class _Stop(BaseException):
    pass


def make_base(kind: str, place: Path) -> Base:
    """Train the first epoch of ``kind`` in the working directory, its run below ``place``."""
    _make_data(kind)
    config = Path(f"{kind}.yaml")
    config.write_text(f"name: {kind}\n{KINDS[kind]}{QUIET}")
    keep = Fit._keep

    def keep_once(fit: Fit, is_best: bool) -> None:
        keep(fit, is_best)
        raise _Stop

    loaded = load_config(config, MORE.get(kind, []))
    with patch.object(Fit, "_keep", keep_once), suppress(_Stop):
        experiment.train(loaded, NewRun(place, "base"), Display(quiet=True))
    return Base(kind, place / kind / "base")


def _make_data(kind: str) -> None:
    numbers = torch.Generator().manual_seed(0)
    if kind == "photos":
        for split, count in (("train", 20), ("test", 4)):
            for number, name in enumerate(("ants", "bees")):
                folder = Path("photos", split, name)
                folder.mkdir(parents=True, exist_ok=True)
                for i in range(count):
                    pixels = torch.randint(0, 80, (16, 20, 3), generator=numbers, dtype=torch.uint8)
                    pixels[..., number] += 150
                    Image.fromarray(pixels.numpy()).save(folder / f"{i}.png")
    elif kind == "series":
        values = [10 + i % 4 + 0.1 * i for i in range(120)]
        Path("series.csv").write_text("\n".join(["day,value", *(f"{i},{v:.2f}" for i, v in enumerate(values))]) + "\n")
    elif kind == "text":
        Path("tale.txt").write_text("once upon a time there was a king.\n" * 60)


def do_eval(base: Base, path: Path) -> None:
    """What ``cnncli eval`` does."""
    evaluate(load_predictor(path), "test", Display(quiet=True))


def do_predict(base: Base, path: Path) -> None:
    """What ``cnncli predict``, ``forecast`` or ``generate`` does."""
    predictor = load_predictor(path)
    if base.kind in PICTURES:
        picture = next(Path("photos").rglob("*.png"))
        predict_pictures(predictor, gather([str(picture)]), Display(quiet=True).track, workers=0)
    elif base.kind == "series":
        forecast(predictor, 3)
    elif base.kind == "text":
        "".join(generate(predictor, "once", 5))
    else:
        from cnncli.core.registry import datasets

        predict_rows(predictor, datasets.build(predictor.config.dataset.name).frame.head(5))


def do_inspect(base: Base, path: Path) -> None:
    """What ``cnncli inspect --ckpt`` does."""
    inspect_checkpoint(path, [], [])


def do_finetune(base: Base, path: Path) -> None:
    """What ``cnncli finetune`` does before it trains."""
    data = Path("photos") if base.kind == "photos" else None
    config = None if data else Path(f"{base.kind}.yaml")
    loaded = load_finetune(str(path), config, data, {}, ["dataset.batch_size=16", "compute.threads=1"])
    build_experiment(loaded, Display(quiet=True).track, measure=False)


def do_resume(base: Base, path: Path) -> None:
    """What ``cnncli train --resume`` does: the second epoch of a copy of the run."""
    run = path.parent / f"{path.stem}-run"
    shutil.copytree(base.folder, run)
    shutil.copy(path, run / "last.pt")
    loaded, _, found = experiment.prepare(None, [], None, path.parent, str(run), False)
    assert found is not None
    try:
        experiment.resume(*found, loaded, Display(quiet=True))
    finally:
        shutil.rmtree(run)


WAYS: dict[str, Callable[[Base, Path], None]] = {
    "eval": do_eval, "predict": do_predict, "inspect": do_inspect, "finetune": do_finetune, "resume": do_resume,
}  # fmt: skip


def kinds_for(way: str) -> list[str]:
    """The kinds whose checkpoints can be used so: only networks of pictures can be fine-tuned."""
    return list(PICTURES) if way == "finetune" else list(KINDS)


def command(base: Base, way: str, path: Path) -> list[str]:
    """The words of the command that does the same."""
    if way == "resume":
        return ["train", "--resume", str(path)]
    if way == "finetune":
        return ["finetune", "--from", str(path), "--data", "photos", "--dry-run", "dataset.batch_size=16"]
    if way == "predict":
        words = {"series": ["forecast", "--steps", "3"], "text": ["generate", "--length", "5"]}
        return [*words.get(base.kind, ["predict", "photos/test"]), "--ckpt", str(path)]
    return [way, "--ckpt", str(path)]
