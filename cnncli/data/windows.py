"""Windows of a series, and the targets that follow them."""

from dataclasses import replace
from math import ceil

import numpy as np
import torch
from torch import Tensor

from cnncli.core.errors import DataError, did_you_mean
from cnncli.core.spec import DataSpec, Series
from cnncli.data.gaps import Array
from cnncli.data.lazy_targets import Ahead, LazyTargets
from cnncli.data.series_columns import yaml_words

STORED = 2**26  # bytes of targets that are computed once: larger ones whenever a batch asks, which is slower


def transformed(values: Array, log: bool) -> Array:
    """The values, or their logarithms; raises ``DataError`` where there is none."""
    if not log:
        return values
    if (values <= 0).any():
        row = int(np.argwhere(values <= 0)[0, 0]) + 1
        raise DataError(f"the series' row {row} is not positive and has no logarithm; train with log: false")
    return np.log(values)


def spec_of(spec: DataSpec, id: str, name: str) -> DataSpec:
    """The spec of one of several series; raises ``DataError`` for one that was not there in training."""
    series = spec.require(Series, f"{name}: this data set", "use the data it was trained on")
    if not series.parts:
        return spec
    if not id:
        raise DataError(f"{name}: holds one series without a name; set dataset.series: {yaml_words(series.by)}")
    part = next((part for part in series.parts if part.id == id), None)
    if part is None:
        known = [part.id for part in series.parts]
        raise DataError(f"{name}: the series '{id}' was not there in training; {did_you_mean(id, known)}")
    own = replace(series, mean=part.mean, std=part.std, naive_error=part.naive_error, parts=(), by=())
    return replace(spec, preprocess=own)


def with_scale(targets: Tensor, spec: DataSpec) -> Tensor:
    """Targets ``[N, H, K, 4]`` with mean, deviation and naive error of their series: ``[N, H, K, 7]``."""
    series = spec.require(Series, "a window")
    chosen = [series.columns.index(name) for name in series.targets]
    scale = torch.tensor([[series.mean[i] for i in chosen], [series.std[i] for i in chosen], series.naive_error])
    return torch.cat([targets, scale.T.to(targets.dtype).expand(*targets.shape[:3], 3)], dim=-1)


def window_inputs(values: Array, spec: DataSpec) -> Tensor:
    """All windows of ``values`` ``[L, F]`` that a network can be asked about: float32 ``[N, T, F]``, a view.

    The first begins ``difference`` steps into the series, the last ends with it.
    """
    return scaled(values, spec).unfold(0, spec.input_shape[0], 1).transpose(1, 2)


def scaled(values: Array, spec: DataSpec) -> Tensor:
    """``values`` ``[L, F]`` as the network gets them: float32 ``[L - difference, F]``."""
    series = spec.require(Series, "a window")
    level = transformed(values, series.log)
    moved = level if series.difference is None else level[series.difference :] - level[: -series.difference]
    return torch.from_numpy((moved - np.array(series.mean)) / np.array(series.std)).float()


def offsets_at(level: Array, end: Tensor, steps: int, series: Series) -> Array:
    """What has to be added to a network's answer: the last known value a multiple of ``difference`` before.

    ``level`` ``[L, K]`` are the (logarithms of the) target columns, ``end`` ``[N]`` the first unknown position of
    each window; float64 ``[N, steps, K]``, zero without differences.
    """
    if series.difference is None:
        return np.zeros((len(end), steps, level.shape[1]))
    back = torch.tensor([h - series.difference * ceil((h + 1) / series.difference) for h in range(steps)])
    found: Array = level[(end[:, None] + back).numpy()]
    return found


def make_windows(values: Array, spec: DataSpec) -> tuple[Tensor, Tensor, Tensor]:
    """Every window with its targets: inputs ``[N, T, F]``, targets ``[N, H, K, 4]``, first positions ``[N]``.

    The four: the value that the network learns, its offset (``offsets_at``), and the naive and the seasonal-naive
    forecast in the data's unit (NaN where the series does not reach back a period).
    """
    series = spec.require(Series, "a window")
    window, horizon = spec.input_shape[0], spec.outputs[0]
    lost = series.difference or 0
    starts = torch.arange(lost, max(len(values) - window - horizon + 1, lost))
    if len(starts) == 0:
        raise DataError(
            f"the series has {len(values)} steps; a window of {window}, a horizon of {horizon}"
            + (f" and a difference of {lost}" if lost else "")
            + " need more: lower them"
        )
    chosen = [series.columns.index(name) for name in series.targets]
    own = np.ascontiguousarray(values[:, chosen])
    level = torch.from_numpy(transformed(own, series.log))
    mean, std = (torch.tensor([each[i] for i in chosen], dtype=torch.float64) for each in (series.mean, series.std))
    ahead = Ahead(torch.from_numpy(own), level, mean, std, starts + window, horizon, series.period, series.difference)
    stored = torch.Size(ahead.shape).numel() * ahead.own.element_size() <= STORED
    return window_inputs(values, spec)[: len(starts)], ahead.compute() if stored else LazyTargets(ahead), starts
