"""Answers of a trained network for pictures that it has not seen."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cnncli.compute.failures import ANSWERING, explained
from cnncli.core.errors import ConfigError, DataError
from cnncli.core.printable import json_text
from cnncli.core.spec import Decode, Pictures
from cnncli.data.contract import Track
from cnncli.data.decode import read_held, read_image
from cnncli.data.decoded import workers_for
from cnncli.data.loaders import Read, read_pictures
from cnncli.data.paths import as_paths
from cnncli.data.sources import FileSource
from cnncli.inference.gather import Asked
from cnncli.inference.predictor import Predictor
from cnncli.inference.rows import check_format, format_rows, json_lines
from cnncli.tasks.calibration import threshold_for

BATCH = 64  # pictures that are read at a time,
LARGE = 2**25  # unless so many have more bytes than this
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Answer:
    """What the task says of one picture, and, where there are classes, the most probable ones."""

    path: str
    columns: dict[str, Any]  # prediction, and what stands beside it
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Answers:
    """Answers in the order of the question, and path → cause for files that could not be read.

    ``threshold`` is the confidence that an answer needed, ``answered`` the share of the validation part that has it,
    ``samples`` how many pictures that rests on.
    """

    found: list[Answer]
    errors: dict[str, str]
    threshold: float | None = None
    answered: float = 0.0
    samples: int = 0


def predict_pictures(
    predictor: Predictor,
    asked: Asked,
    track: Track,
    *,
    top_k: int = 1,
    max_error: float | None = None,
    workers: int | None = None,
) -> Answers:
    """The answer to every picture that can be read, in batches decoded by ``workers`` processes.

    With ``max_error`` the answer is "unknown" below the confidence from which on the error on the validation part
    stays within that rate. Raises ``ConfigError`` for networks that do not learn from pictures,
    ``TrainingError`` when a worker ends.
    """
    threshold, answered, samples = (None, 0.0, 0) if max_error is None else _threshold(predictor, max_error)
    errors, good, logits = dict(asked.missing), list[str](), list[Tensor]()
    for names, images, failed in read_asked(predictor, asked, track, workers):
        errors |= failed
        good += names
        if len(images):
            logits.append(predictor.logits(images))
    found = named_answers(predictor, good, torch.cat(logits), top_k, threshold) if good else []
    return Answers(found, errors, threshold, answered, samples)


def read_asked(
    predictor: Predictor, asked: Asked, track: Track, workers: int | None = None
) -> Iterator[tuple[list[str], Tensor, dict[str, str]]]:
    """The pictures as they are answered for, batch by batch: names, uint8 ``[N, C, H, W]``, and name → cause of others.

    Raises ``ConfigError`` for networks that do not learn from pictures, ``TrainingError`` when a worker ends.
    """
    decode, names, done = decode_of(predictor), asked.names, 0
    with explained(ANSWERING):  # a worker that dies is heard of wherever the main process stands
        for read in _reads(asked, decode, workers, track):
            batch = names[done : done + len(read.images) + len(read.errors)]
            done += len(batch)
            errors = {batch[number]: cause_of(batch[number], error) for number, error in read.errors.items()}
            yield [name for number, name in enumerate(batch) if number not in read.errors], read.images, errors


def decode_of(predictor: Predictor) -> Decode:
    """How a picture file becomes what the network was trained on; raises ``ConfigError`` when it takes no pictures.

    Where the training pictures did not come from files they are scaled and cut to the size that was trained on.
    """
    spec = predictor.spec
    preprocess = spec.require(Pictures, f"{predictor.path}: naming pictures", predictor.advice)
    channels, height, width = spec.input_shape
    return preprocess.decode or Decode((height, width), 1 if channels == 1 else 3)


def _reads(asked: Asked, decode: Decode, workers: int | None, track: Track) -> Iterable[Read]:
    """The pictures, batch by batch."""
    if asked.picture is not None:
        return [Read(read_image(io.BytesIO(asked.picture), decode).unsqueeze(0), {})]
    size = max(min(BATCH, LARGE // (decode.channels * decode.size[0] * decode.size[1])), 1)
    if asked.held is not None:
        return _held(asked, decode, size)
    count = len(asked.paths)
    workers = workers_for(count) if workers is None else workers
    source = FileSource(as_paths(asked.paths), torch.zeros(count, dtype=torch.long), decode)
    return track(read_pictures(source, workers, size), -(-count // size), f"{count:,} pictures") if count else []


def _held(asked: Asked, decode: Decode, size: int) -> Iterator[Read]:
    """Pictures in memory, so many at a time."""
    held, names = asked.held or (), asked.names
    for first in range(0, len(held), size):
        images, errors = [], {}
        for number, picture in enumerate(held[first : first + size]):
            try:
                images.append(read_held(picture, decode, names[first + number]))
            except DataError as error:
                errors[number] = error
        yield Read(torch.stack(images) if images else torch.empty(0), errors)


def cause_of(name: str, error: DataError) -> str:
    """Why a picture cannot be read, without its name and without advice."""
    return str(error).removeprefix(f"{name}: ").partition("; ")[0]


def _threshold(predictor: Predictor, max_error: float) -> tuple[float, float, int]:
    """The confidence that an answer needs, the share of validation that has it, and how many samples those were."""
    if not 0 <= max_error < 1:
        raise ConfigError(f"--max-error {max_error}: give a rate from 0 up and below 1, for example 0.02")
    if predictor.views:
        raise ConfigError("--max-error is known for single views only; leave out --tta")
    if getattr(predictor.task, "costs", None) is not None:
        raise ConfigError("--max-error is known for the most probable class, and task.costs decides by costs; leave "
                          "--max-error out")  # fmt: skip
    calibration = predictor.task.calibration
    risk = getattr(calibration, "risk", None)
    if risk is None:
        raise ConfigError(
            f"{predictor.path}: --max-error needs what classification learns from its validation part; "
            "train with dataset.val_fraction above 0 and task classification"
        )
    return *threshold_for(risk, max_error), int(getattr(calibration, "samples", 0))


def named_answers(
    predictor: Predictor, names: Sequence[str], logits: Tensor, top_k: int, threshold: float | None = None
) -> list[Answer]:
    """What the task says of pictures by these ``names`` with ``logits`` ``[N, …]``; unknown below ``threshold``."""
    columns = predictor.task.predictions(logits)
    named = predictor.task.naming(logits)
    if named is None:
        rows = zip(*columns.values(), strict=True)
        return [Answer(name, dict(zip(columns, row, strict=True))) for name, row in zip(names, rows, strict=True)]
    classes = predictor.classes
    best = named.probabilities.topk(min(top_k, len(classes)), dim=1)
    # of several classes the least certain; of none there is nothing to be certain of
    certain = named.probabilities.where(named.chosen, torch.inf).amin(1).tolist()
    found = []
    for row, (name, prediction) in enumerate(zip(names, columns["prediction"], strict=True)):
        ranked = zip(best.values[row].tolist(), best.indices[row].tolist(), strict=True)
        known = threshold is None or certain[row] >= threshold
        probability = None if certain[row] == torch.inf else certain[row]
        answer = {"prediction": prediction if known else UNKNOWN, "probability": probability}
        found.append(Answer(name, answer, tuple((classes[i], p) for p, i in ranked)))
    return found


def format_answers(answers: Answers, form: str, width: int | None = None) -> str:
    """As ``csv``, ``json`` or ``jsonl`` (with the errors), or a ``table`` for reading, of such a ``width``.

    A table names the first of the most probable classes only where it is not the prediction anyway.
    """
    check_format(form)
    if form in ("json", "jsonl"):
        return _as_json(answers, form)
    columns = ["path", *(answers.found[0].columns if answers.found else ("prediction", "probability"))]
    ranks = max((len(a.top) for a in answers.found), default=1)
    known = form == "table" and all(a.top[:1] == (tuple(a.columns.values()),) for a in answers.found)
    first = 2 if known else 1
    columns += [word for rank in range(first, ranks + 1) for word in (f"top{rank}", f"p{rank}") if ranks > 1]
    rows = [
        dict(zip(columns, [a.path, *(_shown(*item) for item in a.columns.items()), *_ranked(a, first)], strict=True))
        for a in answers.found
    ]
    return format_rows(rows, form, columns=columns, width=width, shorten=True)


def _shown(column: str, value: Any) -> str:
    """A probability with four decimals, a predicted number with seven digits, however small it is."""
    if isinstance(value, float):
        return f"{value:.4f}" if column == "probability" else f"{value:.7g}"
    return "" if value is None else str(value)


def _ranked(answer: Answer, first: int) -> list[str]:
    return [word for name, p in answer.top[first - 1 :] for word in (name, f"{p:.4f}") if len(answer.top) > 1]


def as_record(answer: Answer) -> dict[str, Any]:
    """One answer as JSON has it."""
    top = [{"class": name, "probability": p} for name, p in answer.top]
    return {"path": answer.path, **answer.columns, **({"top": top} if top else {})}


def _as_json(answers: Answers, form: str) -> str:
    records = [as_record(answer) for answer in answers.found]
    failed = [{"path": path, "error": cause} for path, cause in answers.errors.items()]
    if form == "jsonl":
        return json_lines([*records, *failed])
    about = {} if answers.threshold is None else {"threshold": answers.threshold, "answered": answers.answered}
    return json_text({**about, "predictions": records, "errors": failed}, indent=1) + "\n"
