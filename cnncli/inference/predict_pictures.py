"""Answers of a trained network for pictures that it has not seen."""

import csv
import io
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cnncli.compute.runtime import Runtime
from cnncli.core.errors import ConfigError, DataError
from cnncli.core.spec import Decode, Pictures
from cnncli.data.contract import Track
from cnncli.data.decode import read_image
from cnncli.data.loaders import Normalizer, Read, read_pictures
from cnncli.data.sources import FileSource
from cnncli.inference.evaluate import Trained
from cnncli.inference.gather import STANDARD_INPUT, Asked
from cnncli.inference.tta import averaged
from cnncli.tasks.calibration import threshold_for
from cnncli.training.build import build_task

BATCH = 64
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Answer:
    """The class of one picture, its probability, and the most probable classes with theirs."""

    path: str
    prediction: str
    probability: float
    top: list[tuple[str, float]]


@dataclass(frozen=True)
class Answers:
    """Answers in the order of the question, and path → cause for files that could not be read.

    ``threshold`` is the confidence that an answer needed, ``answered`` the share of the validation part that has it.
    """

    found: list[Answer]
    errors: dict[str, str]
    threshold: float | None = None
    answered: float | None = None


def predict_pictures(
    trained: Trained,
    asked: Asked,
    runtime: Runtime,
    track: Track,
    *,
    top_k: int = 1,
    max_error: float | None = None,
    tta: bool = False,
    workers: int | None = None,
) -> Answers:
    """The class of every picture that can be read, in batches decoded by ``workers`` processes.

    With ``max_error`` the answer is "unknown" below the confidence from which on the error on the validation part
    stays within that rate. Raises ``ConfigError`` for networks that do not name classes of pictures.
    """
    decode = decode_of(trained)
    if tta and max_error is not None:
        raise ConfigError("--max-error is known for single views only; leave out --tta")
    threshold, answered = (None, None) if max_error is None else _threshold(trained, max_error)
    names = [str(path) for path in asked.paths] if asked.picture is None else [STANDARD_INPUT]
    errors, good, logits = dict(asked.missing), list[str](), list[Tensor]()
    answer = _network(trained, runtime, tta)
    done = 0
    for read in _reads(asked, decode, workers, track):
        batch = names[done : done + len(read.images) + len(read.errors)]
        done += len(batch)
        errors |= {batch[number]: _cause(batch[number], error) for number, error in read.errors.items()}
        good += [name for number, name in enumerate(batch) if number not in read.errors]
        if len(read.images):
            logits.append(answer(read.images))
    if not good:
        return Answers([], errors, threshold, answered)
    columns = _columns(trained, torch.cat(logits), runtime, tta)
    return Answers(_answers(good, columns, trained.spec.classes, top_k, threshold), errors, threshold, answered)


def decode_of(trained: Trained) -> Decode:
    """How a picture file becomes what the network was trained on; raises ``ConfigError`` when it takes no pictures.

    Where the training pictures did not come from files they are scaled and cut to the size that was trained on.
    """
    spec = trained.spec
    if not isinstance(spec.preprocess, Pictures):
        raise ConfigError(f"{trained.path}: it learned from {spec.kind}, not from pictures")
    channels, height, width = spec.input_shape
    return spec.preprocess.decode or Decode((height, width), 1 if channels == 1 else 3)


def _reads(asked: Asked, decode: Decode, workers: int | None, track: Track) -> Iterable[Read]:
    """The pictures, batch by batch."""
    if asked.picture is not None:
        return [Read(read_image(io.BytesIO(asked.picture), decode).unsqueeze(0), {})]
    count = len(asked.paths)
    if workers is None:  # starting a process costs more than decoding a few pictures
        workers = 0 if count < 2 * BATCH else min(os.cpu_count() or 1, 8)
    source = FileSource(tuple(asked.paths), torch.zeros(count, dtype=torch.long), decode)
    return track(read_pictures(source, workers, BATCH), -(-count // BATCH), f"{count:,} pictures") if count else []


def _cause(name: str, error: DataError) -> str:
    return str(error).removeprefix(f"{name}: ").partition("; ")[0]


def _threshold(trained: Trained, max_error: float) -> tuple[float, float]:
    if not 0 <= max_error < 1:
        raise ConfigError(f"--max-error {max_error}: give a rate from 0 up and below 1, for example 0.02")
    if "risk" not in trained.decoding:
        raise ConfigError(
            f"{trained.path}: --max-error needs what classification learns from its validation part; "
            "train with dataset.val_fraction above 0 and task classification"
        )
    return threshold_for(trained.decoding["risk"], max_error)


def _network(trained: Trained, runtime: Runtime, tta: bool) -> Callable[[Tensor], Tensor]:
    """uint8 pictures ``[B, C, H, W]`` → logits ``[B, K]`` on the CPU."""
    spec = trained.spec
    assert isinstance(spec.preprocess, Pictures)
    _, height, width = spec.input_shape
    normalizer = Normalizer(spec.preprocess, (height, width), runtime.device)
    model = runtime.place(trained.model).eval()
    if tta:
        model = averaged(model, spec)

    @torch.inference_mode()
    def answer(images: Tensor) -> Tensor:
        with runtime.autocast():
            outputs: Tensor = model(normalizer(images))
        return outputs.float().cpu()

    return answer


def _columns(trained: Trained, logits: Tensor, runtime: Runtime, tta: bool) -> dict[str, list[Any]]:
    """``prediction`` and ``probability_<class>`` for logits ``[N, K]``, as the task reads them."""
    nothing = torch.zeros(0, dtype=torch.int64)  # training targets tell only what training and baselines need
    task = build_task(trained.config, trained.spec, nothing, runtime.device)
    # the temperature was fitted to single views
    task.decoding = {k: v for k, v in trained.decoding.items() if not (tta and k == "temperature")}
    return task.predictions(logits)


def _probabilities(columns: dict[str, list[Any]], classes: tuple[str, ...]) -> Tensor:
    """Probabilities ``[N, K]`` in the order of ``classes``; of two classes one may be given by the other."""
    given = {name: torch.tensor(columns[f"probability_{name}"]) for name in classes if f"probability_{name}" in columns}
    rest = 1 - torch.stack(list(given.values())).sum(0)
    return torch.stack([given.get(name, rest) for name in classes], dim=1)


def _answers(
    names: list[str], columns: dict[str, list[Any]], classes: tuple[str, ...], top_k: int, threshold: float | None
) -> list[Answer]:
    probabilities = _probabilities(columns, classes)
    best = probabilities.topk(min(top_k, len(classes)), dim=1)
    found = []
    for row, (name, prediction) in enumerate(zip(names, columns["prediction"], strict=True)):
        top = [(classes[i], p) for p, i in zip(best.values[row].tolist(), best.indices[row].tolist(), strict=True)]
        own = probabilities[row, classes.index(prediction)].item()
        known = threshold is None or own >= threshold
        found.append(Answer(name, prediction if known else UNKNOWN, own, top))
    return found


def format_answers(answers: Answers, form: str) -> str:
    """As ``csv``, ``json`` (with the errors), or a ``table`` for reading."""
    if form == "json":
        return _as_json(answers)
    ranks = max((len(a.top) for a in answers.found), default=1)
    header = ["path", "prediction", "probability"]
    header += [word for rank in range(1, ranks + 1) for word in (f"top{rank}", f"p{rank}") if ranks > 1]
    rows = [[a.path, a.prediction, f"{a.probability:.4f}", *_ranked(a)] for a in answers.found]
    text = io.StringIO()
    if form == "csv":
        csv.writer(text, lineterminator="\n").writerows([header, *rows])
        return text.getvalue()
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        text.write(line.rstrip() + "\n")
    return text.getvalue()


def _ranked(answer: Answer) -> list[str]:
    return [word for name, p in answer.top for word in (name, f"{p:.4f}") if len(answer.top) > 1]


def _as_json(answers: Answers) -> str:
    records = [
        {
            "path": answer.path,
            "prediction": answer.prediction,
            "probability": answer.probability,
            "top": [{"class": name, "probability": p} for name, p in answer.top],
        }
        for answer in answers.found
    ]
    failed = [{"path": path, "error": cause} for path, cause in answers.errors.items()]
    about = {} if answers.threshold is None else {"threshold": answers.threshold, "answered": answers.answered}
    return json.dumps({**about, "predictions": records, "errors": failed}, indent=1, ensure_ascii=False) + "\n"
