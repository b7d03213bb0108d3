"""Real samples to compare an exported network on, and what the checkpoint answers to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cnncli.core.errors import DataError
from cnncli.core.spec import DataSpec, Series, Split, Table
from cnncli.data import DataBundle
from cnncli.data.windows import spec_of
from cnncli.deploy.raw import Wide, raw_rows, windows_of
from cnncli.inference.evaluate import at_home
from cnncli.inference.forecast import known_values, roll
from cnncli.inference.predictor import Predictor
from cnncli.training.display import Display

MOST = 56  # samples that answers are compared on: eight batches of seven


@dataclass(frozen=True)
class Compared:
    """Raw inputs by name, what the checkpoint answers by name, and the spread of each answer by which a difference is
    divided (1 for probabilities)."""

    inputs: dict[str, Tensor]
    answers: dict[str, Tensor]
    spread: dict[str, float]
    what: str  # in words

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def part(self, first: int, count: int) -> "Compared":
        """So many of the samples."""
        inputs, answers = (
            {name: value[first : first + count] for name, value in values.items()}
            for values in (self.inputs, self.answers)
        )
        return replace(self, inputs=inputs, answers=answers)


def real_samples(predictor: Predictor, display: Display, most: int = MOST) -> list[Compared]:
    """Samples of validation (of training, where there is none) with the checkpoint's answers; of text at two lengths.

    Raises ``DataError`` where the data of the run are not there.
    """
    if predictor.spec.kind.only == "windows":
        return [_windows(predictor)]
    data, _ = at_home(predictor, display, "export")
    split = parity_split(data)
    samples = gathered(data, split, most)
    if predictor.spec.kind.every_position:
        lengths = (samples.shape[1], max(samples.shape[1] // 3, 1))
        return [_ids(predictor, samples[:, :length], split) for length in lengths]
    return [_judged(predictor, samples, split)]


def parity_split(data: DataBundle) -> Split:
    """Validation, or training where there is none: the test split is not looked at."""
    return "val" if "val" in data.sources else "train"


def gathered(data: DataBundle, split: Split, most: int) -> Tensor:
    """At most so many samples, spread evenly over the split, as the data room gives them."""
    source = data.sources[split]
    chosen = np.unique(np.linspace(0, len(source) - 1, min(most, len(source))).round().astype(int))
    return torch.stack([source[int(number)] for number in chosen])


def raw_of(predictor: Predictor, samples: Tensor) -> dict[str, Tensor]:
    """Samples of the data room as the inputs of an exported network, by name."""
    if predictor.spec.kind.name == "rows":
        return raw_rows(samples, predictor.spec.require(Table, "rows"))
    return {"ids" if predictor.spec.kind.every_position else "pixels": samples}


def _judged(predictor: Predictor, samples: Tensor, split: str) -> Compared:
    answers = predictor.task.exported(predictor.logits(samples))
    spread = {name: 1.0 if name == "probabilities" else _spread(values) for name, values in answers.items()}
    numbers = predictor.spec.numbers
    if numbers is not None and "values" in answers:
        # in deviations of each target
        scale = torch.tensor(numbers.std, dtype=torch.float64)
        answers, spread = {"values": answers["values"] / scale}, {"values": 1.0}
    about = f"{len(samples)} {split} {predictor.spec.kind.samples or 'samples'}"
    return Compared(raw_of(predictor, samples), answers, spread, about)


def _ids(predictor: Predictor, ids: Tensor, split: str) -> Compared:
    logits = predictor.logits(ids)
    about = f"{len(ids)} {split} blocks of {ids.shape[1]} characters"
    return Compared({"ids": ids}, {"logits": logits}, {"logits": _spread(logits)}, about)


def _spread(values: Tensor) -> float:
    """The standard deviation of all values; of values that are all the same, 1."""
    return float(values.double().std(correction=0)) or 1.0


def _windows(predictor: Predictor) -> Compared:
    """Windows over all of the run's series, and the forecasts that ``cnncli forecast`` makes from them."""
    series = predictor.spec.require(Series, "windows")
    name, found = known_values(predictor, series, None)
    needed, horizon = predictor.spec.input_shape[0] + (series.difference or 0), predictor.spec.outputs[0]
    windows, which, answers = [], [], []
    each = max(MOST // len(found.stretches), 1)
    for number, stretch in enumerate(found.stretches[:MOST]):
        values = found.values[stretch.begin : stretch.end]
        if len(values) < needed:
            continue
        own = spec_of(predictor.spec, stretch.id, name)
        ends = np.unique(np.linspace(needed, len(values), each).round().astype(int)).tolist()
        windows.append(windows_of(values, predictor.spec, ends))
        which += [_position(series, stretch.id, number)] * len(ends)
        answers += [_forecast(predictor, series, own, values[:end], horizon) for end in ends]
    if not windows:
        raise DataError(f"{name}: no series is as long as a window of {needed} steps")
    stacked = {key: torch.stack([answer[key] for answer in answers]) for key in answers[0]}
    inputs = {"window": torch.cat(windows), **({"series": torch.tensor(which)} if series.parts else {})}
    spread = _spread(stacked["forecast"])
    return Compared(inputs, stacked, dict.fromkeys(stacked, spread), f"{len(which)} windows of the series")


def _position(series: Series, id: str, number: int) -> int:
    return [part.id for part in series.parts].index(id) if series.parts else number


def _forecast(predictor: Predictor, series: Series, own: DataSpec, known: Wide, horizon: int) -> Mapping[str, Tensor]:
    level, outputs, widths = roll(predictor, own, known, horizon)
    back = np.exp if series.log else np.asarray
    ends = {"forecast": outputs, **({"lower": outputs - widths, "upper": outputs + widths} if level else {})}
    return {name: torch.from_numpy(back(values)) for name, values in ends.items()}


def batches(samples: Compared, size: int, most: int) -> Sequence[Compared]:
    """At most so many parts of exactly ``size`` samples."""
    return [samples.part(first, size) for first in range(0, len(samples) - size + 1, size)][:most]
