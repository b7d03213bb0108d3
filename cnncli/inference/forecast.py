"""Beyond the end of a series: forecasts in its own unit, with an interval."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from cnncli.core.errors import ConfigError, DataError
from cnncli.core.notices import notice
from cnncli.core.spec import DataSpec, Series
from cnncli.data.find import find_data
from cnncli.data.gaps import Array, Stretch
from cnncli.data.places import build
from cnncli.data.series import SeriesData
from cnncli.data.series_file import Found, Reading, read_series
from cnncli.data.windows import offsets_at, spec_of, transformed, window_inputs
from cnncli.inference.predictor import Predictor
from cnncli.runs.forecast_picture import draw_forecast

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
    series: str = ""  # which of several
    times: Sequence[str] | None = None  # of the steps, in the form that the data have

    def rows(self) -> list[dict[str, Any]]:
        """One object a step: ``step``, ``<target>`` and, with an interval, ``<target>_lower``, ``<target>_upper``.

        Of several series ``series`` comes first, then ``time`` where the data have times and a step.
        """
        found = []
        for step in range(len(self.values)):
            row: dict[str, Any] = {"series": self.series} if self.series else {}
            if self.times is not None:
                row["time"] = self.times[step]
            row["step"] = step + 1
            for k, name in enumerate(self.targets):
                row[name] = float(self.values[step, k])
                if self.level:
                    row |= {f"{name}_lower": float(self.lower[step, k]), f"{name}_upper": float(self.upper[step, k])}
            found.append(row)
        return found


def forecast(predictor: Predictor, steps: int, csv: Path | None = None) -> tuple[list[Forecast], dict[str, str]]:
    """``steps`` values beyond the end of the data it was trained on, or of those in ``csv``; for each series.

    Further than the network's horizon it goes on from its own forecasts; the interval, from the errors on the
    validation part, then widens with the square root of the number of horizons (errors that add up independently).
    Beside the forecasts: why there is none of a series, such as one that is too short. Raises ``DataError`` where there
    is none at all.
    """
    series = predictor.spec.require(Series, f"{predictor.path}: forecast", predictor.advice)
    _check_steps(predictor, series, steps)
    name, found = known_values(predictor, series, csv)
    forecasts = []
    errors: dict[str, str] = {}
    for stretch in found.stretches:
        try:
            own = spec_of(predictor.spec, stretch.id, name)
            known = found.values[stretch.begin : stretch.end]
            forecasts.append(_one(predictor, own, known, steps, name, stretch, found))
        except DataError as error:
            cause = str(error)
            if stretch.id and f"series '{stretch.id}'" not in cause:
                cause = f"{name}: series '{stretch.id}': {cause}"
            errors[stretch.id] = cause
    if not forecasts:
        raise DataError(next(iter(errors.values())))
    return forecasts, errors


def _check_steps(predictor: Predictor, series: Series, steps: int) -> None:
    horizon = predictor.spec.outputs[0]
    if not 1 <= steps <= MAX_STEPS:
        raise ConfigError(f"--steps {steps}: give a number from 1 to {MAX_STEPS}")
    if steps > horizon and set(series.targets) != set(series.columns):
        left = ", ".join(sorted(set(series.columns) - set(series.targets)))
        raise ConfigError(
            f"--steps {steps}: the network sees {horizon} steps ahead, and further ones need {left}, which it does "
            "not forecast; train with dataset.targets left out"
        )


def _one(
    predictor: Predictor, spec: DataSpec, known: Array, steps: int, name: str, stretch: Stretch, found: Found
) -> Forecast:
    """The forecast of one series."""
    series = spec.require(Series, "a forecast")
    needed = spec.input_shape[0] + (series.difference or 0)
    if len(known) < needed:
        which = f"series '{stretch.id}' " if stretch.id else ""
        raise DataError(f"{name}: {which}has {len(known)} steps, the network looks at {needed}; give more")
    level, outputs, widths = roll(predictor, spec, known, steps)
    back = np.exp if series.log else np.asarray
    chosen = [series.columns.index(column) for column in series.targets]
    return Forecast(
        series.targets, known[:, chosen], back(outputs), back(outputs - widths), back(outputs + widths), level,
        stretch.id, found.after(stretch, steps),
    )  # fmt: skip


def known_values(predictor: Predictor, series: Series, csv: Path | None) -> tuple[str, Found]:
    """The name of the data to go on from, and what is known of them, in the order of the network's columns."""
    config = predictor.config.dataset
    if csv is not None:
        read = {field.name for field in fields(Reading)}
        given = {key: value for key, value in config.args.items() if key in read}
        given["na_values"] = tuple(given.get("na_values", ()))
        if series.by:
            given["series"] = list(series.by)
        reading = Reading(**(given | {"columns": list(series.columns)}))
        return str(csv), read_series(find_data(str(csv)), reading)
    data: SeriesData = build(config)
    lost = [name for name in series.columns if name not in data.columns]
    if lost:
        raise DataError(f"{config.name}: no column '{lost[0]}' any more; name data that have it with --csv")
    values = data.values[:, [data.columns.index(name) for name in series.columns]]
    found = data.found or Found(values, series.columns, data.stretches)
    return data.name, replace(found, values=values, columns=series.columns)


def roll(predictor: Predictor, spec: DataSpec, known: Array, steps: int) -> tuple[float, Array, Array]:
    """Forecasts and half widths ``[S, K]`` before the logarithm is undone, horizon by horizon."""
    series = spec.require(Series, "a forecast")
    chosen = [series.columns.index(name) for name in series.targets]
    mean, std = np.array(series.mean)[chosen], np.array(series.std)[chosen]
    width = np.array(getattr(predictor.task.calibration, "half_width", []) or np.zeros(predictor.spec.outputs))
    if predictor.spec.require(Series, "a forecast").parts:  # kept in deviations of each series
        width = width * std
    needed = predictor.spec.input_shape[0] + (series.difference or 0)
    values, found, widths = known, [], []
    horizons = -(-steps // predictor.spec.outputs[0])
    for number in range(horizons):
        window = window_inputs(values[-needed:], spec)[-1:]
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


def forecast_rows(found: Sequence[Forecast]) -> list[dict[str, Any]]:
    """The rows of all series; where one of them has no times, none has."""
    timed = all(each.times is not None for each in found)
    return [row for each in found for row in (each if timed else replace(each, times=None)).rows()]


def about(found: Sequence[Forecast], errors: dict[str, str]) -> dict[str, Any]:
    """What JSON says beside the rows."""
    failed = [{"series": series, "error": cause} for series, cause in errors.items()]
    return {"targets": found[0].targets, "level": found[0].level, "errors": failed}


def plot_format(path: Path) -> str:
    """The form of a picture by its file name; raises ``ConfigError`` for a name that stands for none."""
    if path.suffix.lower() not in (".png", ".svg", ".pdf", ".jpg"):
        raise ConfigError(f"--plot {path}: end the name in .png, .svg, .pdf or .jpg")
    return path.suffix.lower().removeprefix(".")


def draw(forecasts: Sequence[Forecast], file: BinaryIO, form: str) -> None:
    """The picture of the first target, of the first series."""
    found = forecasts[0]
    if len(forecasts) > 1:
        notice("plot", f"the picture shows series '{found.series}', the first of {len(forecasts)}")
    shown = found.history[-max(4 * len(found.values), 100) :, 0].tolist()
    interval = (found.lower[:, 0].tolist(), found.upper[:, 0].tolist()) if found.level else None
    draw_forecast(shown, found.values[:, 0].tolist(), interval, found.targets[0], file, form)
