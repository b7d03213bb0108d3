"""Beyond the end of a series: forecasts in its own unit, with an interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from cnncli.core.errors import ConfigError, DataError
from cnncli.core.registry import datasets
from cnncli.core.spec import Series
from cnncli.data.csv_table import read_table
from cnncli.data.find import find_data
from cnncli.data.series import Array, SeriesData, offsets_at, read_series, read_times, transformed, window_inputs
from cnncli.inference.predictor import Predictor
from cnncli.runs.plots import draw_forecast

MAX_STEPS = 100_000


@dataclass(frozen=True)
class Forecast:
    """What is known ``[L, K]`` and what is expected ``[S, K]``, with its interval, in the data's unit."""

    targets: tuple[str, ...]
    history: Array
    values: Array
    lower: Array
    upper: Array
    level: float  # share of true values that the interval is made to hold; 0: there was no validation, no interval

    def rows(self) -> list[dict[str, float]]:
        """One object a step: ``step``, ``<target>`` and, with an interval, ``<target>_lower``, ``<target>_upper``."""
        found = []
        for step in range(len(self.values)):
            row: dict[str, float] = {"step": step + 1}
            for k, name in enumerate(self.targets):
                row[name] = float(self.values[step, k])
                if self.level:
                    row |= {f"{name}_lower": float(self.lower[step, k]), f"{name}_upper": float(self.upper[step, k])}
            found.append(row)
        return found


def forecast(predictor: Predictor, steps: int, csv: Path | None = None) -> Forecast:
    """``steps`` values beyond the end of the data it was trained on, or of the series in ``csv``.

    Further than the network's horizon it goes on from its own forecasts; the interval, from the errors on the
    validation part, then widens with the square root of the number of horizons (errors that add up independently).
    """
    series = predictor.spec.require(Series, f"{predictor.path}: forecast", predictor.advice)
    horizon = predictor.spec.outputs[0]
    if not 1 <= steps <= MAX_STEPS:
        raise ConfigError(f"--steps {steps}: give a number from 1 to {MAX_STEPS}")
    if steps > horizon and set(series.targets) != set(series.columns):
        left = ", ".join(sorted(set(series.columns) - set(series.targets)))
        raise ConfigError(
            f"--steps {steps}: the network sees {horizon} steps ahead, and further ones need {left}, which it does "
            "not forecast; train with dataset.targets left out"
        )
    known = _known(predictor, series, csv)
    level, outputs, widths = _roll(predictor, series, known, steps)
    back = np.exp if series.log else np.asarray
    chosen = [series.columns.index(name) for name in series.targets]
    return Forecast(
        series.targets, known[:, chosen], back(outputs), back(outputs - widths), back(outputs + widths), level
    )


def _known(predictor: Predictor, series: Series, csv: Path | None) -> Array:
    config = predictor.config.dataset
    if csv is not None:
        values, _ = read_series(find_data(str(csv)), list(series.columns), config.args.get("delimiter", ","))
    else:
        data: SeriesData = datasets.build(config.name, **config.args)
        lost = [name for name in series.columns if name not in data.columns]
        if lost:
            raise DataError(f"{config.name}: no column '{lost[0]}' any more; name data that have it with --csv")
        values = data.values[:, [data.columns.index(name) for name in series.columns]]
    needed = predictor.spec.input_shape[0] + (series.difference or 0)
    if len(values) < max(needed, series.difference or 0):
        raise DataError(f"{csv or config.name}: has {len(values)} steps, the network looks at {needed}; give more")
    return values


def _roll(predictor: Predictor, series: Series, known: Array, steps: int) -> tuple[float, Array, Array]:
    """Forecasts and half widths ``[S, K]`` before the logarithm is undone, horizon by horizon."""
    chosen = [series.columns.index(name) for name in series.targets]
    mean, std = np.array(series.mean)[chosen], np.array(series.std)[chosen]
    width = np.array(getattr(predictor.task.calibration, "half_width", []) or np.zeros(predictor.spec.outputs))
    needed = predictor.spec.input_shape[0] + (series.difference or 0)
    values, found, widths = known, [], []
    horizons = -(-steps // predictor.spec.outputs[0])
    for number in range(horizons):
        window = window_inputs(values[-needed:], predictor.spec)[-1:]
        outputs = predictor.logits(window)[0].double().numpy()
        own = transformed(values[-max(needed, 1) :, chosen], series.log)
        offsets = offsets_at(own, torch.tensor([len(own)]), len(outputs), series)[0]
        found.append(outputs * std + mean + offsets)
        widths.append(width * np.sqrt(number + 1))
        ahead = np.exp(found[-1]) if series.log else found[-1]
        if number + 1 < horizons:  # then all columns are targets, if in another order
            values = np.concatenate(
                [values[-needed:], ahead[:, [series.targets.index(name) for name in series.columns]]]
            )
    level = float(getattr(predictor.task.calibration, "level", 0.0))
    return level, np.concatenate(found)[:steps], np.concatenate(widths)[:steps]


def future_times(predictor: Predictor, steps: int, csv: Path | None) -> Sequence[str] | None:
    """The times of the forecast steps, where the first column holds evenly spaced dates; else None."""
    import pandas as pd

    config = predictor.config.dataset
    if csv is None and "file" not in config.args:
        return None
    path = find_data(str(config.args["file"] if csv is None else csv))
    frame = read_table(path, delimiter=config.args.get("delimiter", ","))
    times = read_times(frame)
    if times is None:
        return None
    rhythm = pd.DatetimeIndex(times, freq="infer").freq
    if rhythm is None:  # fewer than three, or not evenly spaced
        return None
    first = str(frame.iloc[0, 0])
    shape = "%Y-%m" if first.count("-") == 1 else "%Y-%m-%d" if len(first) <= 10 else None
    try:
        ahead = pd.date_range(times[-1], periods=steps + 1, freq=rhythm)[1:]
        return [time.strftime(shape) if shape else time.isoformat() for time in ahead]
    except (ValueError, NotImplementedError):  # pandas' two answers to dates beyond the end of its calendar
        return None


def forecast_rows(found: Forecast, times: Sequence[str] | None) -> list[dict[str, Any]]:
    """The forecast's rows, with their times where these are known."""
    rows: list[dict[str, Any]] = list(found.rows())
    return rows if times is None else [{"time": time, **row} for time, row in zip(times, rows, strict=True)]


def plot_format(path: Path) -> str:
    """The form of a picture by its file name; raises ``ConfigError`` for a name that stands for none."""
    if path.suffix.lower() not in (".png", ".svg", ".pdf", ".jpg"):
        raise ConfigError(f"--plot {path}: end the name in .png, .svg, .pdf or .jpg")
    return path.suffix.lower().removeprefix(".")


def draw(found: Forecast, file: BinaryIO, form: str) -> None:
    """The picture of the first target."""
    shown = found.history[-max(4 * len(found.values), 100) :, 0].tolist()
    interval = (found.lower[:, 0].tolist(), found.upper[:, 0].tolist()) if found.level else None
    draw_forecast(shown, found.values[:, 0].tolist(), interval, found.targets[0], file, form)
