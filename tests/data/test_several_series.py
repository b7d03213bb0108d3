"""Several series in one data set: no window crosses from one to the next, each is scaled and split by itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import DatasetConfig, LossConfig
from cnncli.core.errors import DataError
from cnncli.core.notices import collecting
from cnncli.core.spec import DataSpec, Series
from cnncli.data import windows
from cnncli.data.contract import Opened
from cnncli.data.gaps import Stretch
from cnncli.data.lazy_targets import LazyTargets
from cnncli.data.series import SeriesData
from cnncli.data.series_file import Found
from cnncli.data.sources import ArraySource
from cnncli.data.windows import make_windows, spec_of
from cnncli.tasks.forecasting import Forecasting

fill_registries()
WINDOW, HORIZON, PERIOD = 6, 3, 4
LENGTHS = {"small": 60, "large": 90, "middle": 75}


def values_of(name: str) -> NDArray[np.float64]:
    random = np.random.default_rng(len(name) + LENGTHS[name])
    steps = np.arange(LENGTHS[name], dtype=np.float64)[:, None] * np.array([1.0, 0.3])
    scale = {"small": 1.0, "large": 1e4, "middle": 30.0}[name]
    return scale * (50 + steps + 5 * np.sin(steps) + random.normal(size=steps.shape))


def data_of(*names: str, log: bool = False, difference: int | None = None) -> SeriesData:
    stretches, begin = [], 0
    for name in names:
        stretches.append(Stretch(name if len(names) > 1 else "", begin, begin + LENGTHS[name]))
        begin += LENGTHS[name]
    values = np.concatenate([values_of(name) for name in names])
    found = Found(values, ("a", "b"), tuple(stretches), by=("id",) if len(names) > 1 else ())
    return SeriesData("s", values, ("a", "b"), ("b",), WINDOW, HORIZON, PERIOD, log, difference, 0.2, found)


def opened(data: SeriesData, spec: DataSpec | None = None) -> Opened:
    config = DatasetConfig(name="series_csv", val_fraction=0.25)
    return data.open(config, "windows", lambda items, total, what: items, spec)


def whole(found: Opened, split: str) -> ArraySource:
    source = found.sources[split]  # type: ignore[index]
    assert isinstance(source, ArraySource)
    return source


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("difference", [None, 1, 4])
def test_the_windows_are_those_of_each_series_alone(log: bool, difference: int | None) -> None:
    together = opened(data_of(*LENGTHS, log=log, difference=difference))
    alone = [opened(data_of(name, log=log, difference=difference)) for name in LENGTHS]
    for split in ("train", "val", "test"):
        source = whole(together, split)
        inputs = torch.cat([whole(each, split).inputs for each in alone])
        targets = torch.cat([whole(each, split).targets for each in alone])
        assert len(source) == len(inputs)
        torch.testing.assert_close(source.gather(torch.arange(len(source))), inputs)
        torch.testing.assert_close(source.targets[..., :4], targets, equal_nan=True)
    series = together.spec.preprocess
    assert isinstance(series, Series)
    for part, each in zip(series.parts, alone, strict=True):
        own = each.spec.preprocess
        assert isinstance(own, Series)
        assert (part.mean, part.std, part.naive_error) == (own.mean, own.std, own.naive_error)
        assert spec_of(together.spec, part.id, "s") == each.spec


def test_metrics_are_those_of_each_series_weighed_by_its_windows() -> None:
    together = opened(data_of(*LENGTHS))
    task = Forecasting(together.spec, LossConfig(name="mse"), torch.device("cpu"))
    source = whole(together, "test")
    meter = task.meter(detailed=True)
    outputs = source.targets[..., 0] + 0.5
    meter.update(task.eval_loss(outputs, source.targets), len(source), outputs, source.targets)
    counts, maes, mases = [], [], []
    for name in LENGTHS:
        found = opened(data_of(name))
        own = Forecasting(found.spec, LossConfig(name="mse"), torch.device("cpu"))
        targets = whole(found, "test").targets
        alone = own.meter(detailed=True)
        alone.update(own.eval_loss(targets[..., 0] + 0.5, targets), len(targets), targets[..., 0] + 0.5, targets)
        counts.append(len(targets))
        maes.append(alone.compute()["mae"])
        mases.append(alone.compute()["mase"])
    found_values = meter.compute()
    assert found_values["mae"] == pytest.approx(np.average(maes, weights=counts), rel=1e-5)
    assert found_values["mase"] == pytest.approx(np.average(mases, weights=counts), rel=1e-5)
    task.calibrate(meter)
    assert np.array(task.calibration.half_width) == pytest.approx(np.full((HORIZON, 1), 0.5), rel=1e-5)


def test_a_series_that_repeats_itself_is_left_out_of_mase() -> None:
    data = data_of(*LENGTHS)
    values = data.values.copy()
    values[:60, 1] = np.tile([1.0, 2.0, 5.0, 3.0], 15)
    with collecting() as told:
        found = opened(replace(data, values=values))
    assert [each.kind for each in told] == ["mase_undefined"]
    assert "of 1 series, such as 'small'" in told[0].text
    task = Forecasting(found.spec, LossConfig(name="mse"), torch.device("cpu"))
    source = whole(found, "test")
    meter = task.meter()
    meter.add_forecast(source.targets[..., 2], source.targets)
    expected, count = 0.0, 0
    for name in ("large", "middle"):
        alone = opened(data_of(name))
        own = Forecasting(alone.spec, LossConfig(name="mse"), torch.device("cpu")).meter()
        targets = whole(alone, "test").targets
        own.add_forecast(targets[..., 2], targets)
        expected, count = expected + own.compute()["mase"] * len(targets), count + len(targets)
    assert meter.compute()["mase"] == pytest.approx(expected / count, rel=1e-6)


def test_short_series_are_counted_and_unknown_ones_refused() -> None:
    data = data_of(*LENGTHS)
    stretches = (*data.stretches, Stretch("tiny", 225, 237))
    values = np.concatenate([data.values, values_of("small")[:12]])
    longer = replace(data, values=values, found=Found(values, ("a", "b"), stretches, by=("id",)))
    with collecting() as told:
        opened(longer)
    assert {each.kind for each in told} == {"short_series"}
    assert "1 of 4 series are too short for a window of the train part" in told[0].text
    with pytest.raises(DataError, match="the series 'tiny' was not there in training; known: small, large, middle"):
        opened(longer, opened(data).spec)
    short = Found(values[:229], ("a", "b"), (*data.stretches, Stretch("tiny", 225, 229)), by=("id",))
    with pytest.raises(DataError, match="the training part of series 'tiny' has 2 steps, less than one period"):
        opened(replace(longer, values=values[:229], found=short))


def test_the_spec_survives_a_checkpoint() -> None:
    spec = opened(data_of(*LENGTHS)).spec
    assert DataSpec.from_dict(spec.to_dict()) == spec
    old = spec.to_dict()
    del old["preprocess"]["parts"]
    series = DataSpec.from_dict(old).preprocess
    assert isinstance(series, Series)
    assert series.parts == ()


def test_targets_are_computed_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = opened(data_of("large")).spec
    stored = make_windows(values_of("large"), spec)[1]
    monkeypatch.setattr(windows, "STORED", 0)
    lazy = make_windows(values_of("large"), spec)[1]
    plain = lazy.clone()
    assert type(stored) is torch.Tensor
    assert stored.equal(plain)
    assert isinstance(lazy, LazyTargets)
    assert type(plain) is torch.Tensor
    assert (lazy.shape, lazy.dtype, len(lazy)) == (plain.shape, plain.dtype, len(plain))
    part = lazy[5:40]
    assert isinstance(part, LazyTargets)
    rows = torch.tensor([3, 0, 7])
    for found, expected in (
        (part[rows], plain[5:40][rows]),
        (lazy[..., 0], plain[..., 0]),
        (lazy.isnan(), plain.isnan()),
        (lazy[plain[:, 0, 0, 3] > 0], plain[plain[:, 0, 0, 3] > 0]),
        (torch.cat([lazy, lazy]), torch.cat([plain, plain])),
        (lazy.to(torch.device("cpu"))[rows], plain[rows]),
        (lazy.float(), plain.float()),
    ):
        assert type(found) is torch.Tensor
        torch.testing.assert_close(found, expected, equal_nan=True, rtol=0, atol=0)
