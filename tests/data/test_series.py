"""Windows of a series: what is known, what comes next, and nothing that lies in the future."""

from collections.abc import Iterable
from dataclasses import replace
from math import isnan
from math import log as ln
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import ConfigError, DataError
from cnncli.core.notices import collecting
from cnncli.core.registry import datasets
from cnncli.core.spec import DataSpec, Series
from cnncli.data.contract import Opened
from cnncli.data.series import SeriesData
from cnncli.data.sources import ArraySource
from cnncli.data.windows import make_windows, window_inputs

fill_registries()
Values = NDArray[np.float64]


def series_of(length: int = 90, columns: int = 3, seed: int = 0) -> Values:
    """Positive numbers that grow, swing and are noisy."""
    steps = np.arange(length)[:, None] * np.linspace(0.5, 1.5, columns)
    noise = np.random.default_rng(seed).normal(size=(length, columns))
    return 40 + steps + 8 * np.sin(steps) + noise


def data_of(
    values: Values, targets: tuple[str, ...] | None = None, log: bool = False, difference: int | None = None,
    window: int = 6, horizon: int = 5, period: int = 4, test_fraction: float = 0.2,
) -> SeriesData:  # fmt: skip
    columns = tuple("abcdef"[: values.shape[1]])
    chosen = columns if targets is None else targets
    return SeriesData("s", values, columns, chosen, window, horizon, period, log, difference, test_fraction)


def untracked(items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
    return items


def opened(data: SeriesData, val_fraction: float = 0.25, spec: DataSpec | None = None) -> Opened:
    config = DatasetConfig(name="series_csv", val_fraction=val_fraction)
    return data.open(config, "windows", untracked, spec)


def fitted(data: SeriesData) -> Series:
    preprocess = opened(data).spec.preprocess
    assert isinstance(preprocess, Series)
    return preprocess


def whole(opened_data: Opened, split: str) -> ArraySource:
    source = opened_data.sources[split]  # type: ignore[index]
    assert isinstance(source, ArraySource)
    return source


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("difference", [None, 1, 3, 12])  # the horizon is 5: shorter and longer than it
@pytest.mark.parametrize("targets", [None, ("b",), ("c", "a")])
def test_windows_and_targets_are_what_a_slow_loop_finds(
    log: bool, difference: int | None, targets: tuple[str, ...] | None
) -> None:
    values = series_of()
    data = data_of(values, targets, log, difference)
    spec = opened(data).spec
    series = spec.preprocess
    assert isinstance(series, Series)
    inputs, learned, starts = make_windows(values, spec)
    level = [[ln(value) if log else value for value in row] for row in values.tolist()]
    back = difference or 0
    first, count = back, len(values) - back - 6 - 5 + 1
    assert starts.tolist() == list(range(first, first + count))
    assert inputs.shape == (count, 6, 3)
    assert learned.shape == (count, 5, len(data.targets), 4)
    for n in range(count):
        end = first + n + 6
        for t in range(6):
            for c in range(3):
                here = level[first + n + t][c] - (level[first + n + t - back][c] if back else 0.0)
                assert inputs[n, t, c].item() == pytest.approx((here - series.mean[c]) / series.std[c], abs=1e-4)
        for h in range(5):
            for k, name in enumerate(data.targets):
                c = "abc".index(name)
                known, season = end + h, end + h
                while known >= end and back:
                    known -= back
                while season >= end:
                    season -= 4
                offset = level[known][c] if back else 0.0
                value = (level[end + h][c] - offset - series.mean[c]) / series.std[c]
                wanted = [value, offset, values[end - 1, c], values[season, c]]
                assert learned[n, h, k].tolist() == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def test_the_seasonal_forecast_is_unknown_where_the_series_does_not_reach_back() -> None:
    values = series_of(columns=1)
    data = data_of(values, period=9)
    _, learned, _ = make_windows(values, opened(data).spec)
    for end in range(6, 20):
        for h in range(5):
            found = learned[end - 6, h, 0, 3].item()
            assert isnan(found) if end + h < 9 else found == pytest.approx(values[end + h - 9, 0], rel=1e-5)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("difference", [None, 1, 12])
def test_undoing_offset_and_scale_gives_the_raw_values(log: bool, difference: int | None) -> None:
    values = series_of(200)
    found = opened(data_of(values, ("c", "a"), log, difference))
    series = found.spec.preprocess
    assert isinstance(series, Series)
    mean, std = (np.array(numbers)[[2, 0]] for numbers in (series.mean, series.std))
    covered = []
    for split in ("train", "val", "test"):
        targets = whole(found, split).targets.double().numpy()
        raw = targets[..., 0] * std + mean + targets[..., 1]
        raw = np.exp(raw) if log else raw
        begin = {"train": (difference or 0) + 6, "val": 120, "test": 160}[split]
        for n in range(len(raw)):
            np.testing.assert_allclose(raw[n], values[begin + n : begin + n + 5][:, [2, 0]], rtol=1e-4)
        covered.append(len(raw))
    assert covered == [120 - 6 - (difference or 0) - 4, 40 - 4, 40 - 4]


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("difference", [None, 1, 12])
def test_statistics_are_those_of_the_training_part(log: bool, difference: int | None) -> None:
    values = series_of(100)
    series = fitted(data_of(values, ("b",), log, difference))
    known = np.log(values[:60]) if log else values[:60]
    if difference is not None:
        known = np.array([known[i] - known[i - difference] for i in range(difference, 60)])
    assert series.mean == pytest.approx(known.mean(0))
    assert series.std == pytest.approx(known.std(0))
    season = [abs(values[i, 1] - values[i - 4, 1]) for i in range(4, 60)]
    assert series.naive_error == pytest.approx([np.mean(season)]), "in the data's unit, log or not"


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("difference", [None, 1, 12])
def test_only_values_of_the_training_part_change_what_is_fitted(log: bool, difference: int | None) -> None:
    values = series_of(100)
    before = fitted(data_of(values, None, log, difference))
    for position in range(60, 100):
        changed = values.copy()
        changed[position] *= 3
        assert fitted(data_of(changed, None, log, difference)) == before, position
    for position in range(60):
        changed = values.copy()
        changed[position] *= 3
        after = fitted(data_of(changed, None, log, difference))
        for column in range(3):
            assert after.std[column] != before.std[column], position
            assert after.naive_error[column] != before.naive_error[column], position
    assert after.mean != before.mean  # of the last of them: the differences of those between cancel in their mean


def test_a_column_that_never_changes_is_not_divided_by_zero() -> None:
    values = series_of(columns=2)
    values[:, 1] = 7.0
    found = opened(data_of(values))
    assert whole(found, "train").inputs.isfinite().all()
    series = found.spec.preprocess
    assert isinstance(series, Series)
    assert (series.std[1], series.naive_error[1]) == (1.0, 0.0)


@pytest.mark.parametrize("difference", [None, 12])
@pytest.mark.parametrize("val_fraction", [0.0, 0.25])
def test_no_targets_of_one_split_lie_in_another_and_those_of_test_are_the_last(
    val_fraction: float, difference: int | None
) -> None:
    values = np.arange(150.0)[:, None] + 0.0  # each value is its own position
    values += np.random.default_rng(0).normal(size=values.shape) / 1e4
    found = opened(data_of(values, difference=difference), val_fraction)
    series = found.spec.preprocess
    assert isinstance(series, Series)
    positions: dict[str, set[int]] = {}
    for split in found.sources:
        source = whole(found, split)
        targets = source.targets[..., 0] * series.std[0] + series.mean[0] + source.targets[..., 1]
        places = targets[..., 0].round().long()
        positions[split] = set(places.flatten().tolist())
        assert places.tolist() == [list(range(first, first + 5)) for first in places[:, 0].tolist()]
        if difference is None:
            seen = (source.inputs[..., 0] * series.std[0] + series.mean[0]).round().long()
            assert seen.tolist() == [list(range(first - 6, first)) for first in places[:, 0].tolist()]
    begin = 6 + (difference or 0)
    if val_fraction:
        assert positions == {"train": {*range(begin, 90)}, "val": {*range(90, 120)}, "test": {*range(120, 150)}}
    else:
        assert positions == {"train": {*range(begin, 120)}, "test": {*range(120, 150)}}


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("difference", [None, 1, 12])
def test_no_window_sees_a_value_at_or_behind_its_first_forecast_step(log: bool, difference: int | None) -> None:
    values = series_of(100)
    data = data_of(values, None, log, difference)
    spec = opened(data).spec
    inputs, targets, starts = make_windows(values, spec)
    for n in range(0, len(starts), 5):
        first = int(starts[n]) + 6
        changed = values.copy()
        changed[first:] = changed[first:] * 2 + 5
        other_inputs, other_targets, _ = make_windows(changed, spec)
        assert torch.equal(inputs[n], other_inputs[n]), "nor does any window before it"
        assert torch.equal(targets[n, ..., 1:], other_targets[n, ..., 1:]), "nor do offset and baselines"
        assert not torch.isclose(targets[n, ..., 0], other_targets[n, ..., 0]).any(), "the targets are the future"
        changed = values.copy()
        changed[first - 1] = changed[first - 1] * 2 + 5
        assert not torch.isclose(inputs[n, -1], make_windows(changed, spec)[0][n, -1]).any(), "up to there it sees"


def test_windows_are_views_of_one_series() -> None:
    values = series_of(2000)
    found = opened(data_of(values, window=200))
    inputs = {split: whole(found, split).inputs for split in found.sources}
    storages = {tensor.untyped_storage().data_ptr() for tensor in inputs.values()}
    assert len(storages) == 1, "the splits share it too"
    size = inputs["train"].untyped_storage().nbytes()
    assert size <= values.size * 4
    assert sum(tensor.numel() * 4 for tensor in inputs.values()) > 100 * size


def test_the_windows_that_can_be_asked_about_end_with_the_series() -> None:
    values = series_of(50)
    spec = opened(data_of(values, difference=1)).spec
    windows = window_inputs(values, spec)
    inputs, _, _ = make_windows(values, spec)
    assert len(windows) == 50 - 1 - 6 + 1 == len(inputs) + 5
    assert torch.equal(windows[: len(inputs)], inputs)
    assert torch.equal(window_inputs(values[-7:], spec)[0], windows[-1])


def test_with_the_spec_of_a_checkpoint_nothing_is_fitted() -> None:
    data = data_of(series_of())
    spec = opened(data).spec
    other = opened(replace(data, values=series_of(seed=1) * 5), spec=spec)
    assert other.spec == spec
    series = spec.preprocess
    assert isinstance(series, Series)
    raw = whole(other, "test").inputs[-1, -1] * torch.tensor(series.std) + torch.tensor(series.mean)
    assert raw.tolist() == pytest.approx((series_of(seed=1) * 5)[-6].tolist(), rel=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": ("b", "a", "c")}, "has the columns b, a, c, the checkpoint was trained on a, b, c"),
        ({"values": series_of(columns=4), "columns": tuple("abcd")}, "has the columns a, b, c, d"),
        ({"targets": ("b",)}, "the checkpoint was trained"),
        ({"window": 7}, "window of 7"),
        ({"horizon": 2}, "horizon of 2"),
    ],
)
def test_what_a_checkpoint_was_not_trained_on_is_refused(change: dict[str, Any], message: str) -> None:
    data = data_of(series_of(), ("a", "b"))
    with pytest.raises(DataError, match=message):
        opened(replace(data, **change), spec=opened(data).spec)


@pytest.mark.parametrize(
    ("length", "options", "message"),
    [
        (10, {}, "the series has 10 steps; a window of 6, a horizon of 5 need more"),
        (16, {"difference": 6}, "a horizon of 5 and a difference of 6 need more"),
        (40, {"test_fraction": 0.1}, "s: the test part has 4 steps, too few for a window of 6 and a horizon of 5"),
        (40, {"test_fraction": 0.5}, "s: the val part has 4 steps"),
        (40, {"period": 30}, "s: the training part has 24 steps, less than one period"),
        (40, {"difference": 23}, "s: the training part has 24 steps, less than one period"),
    ],
)
def test_what_is_too_short_is_named(length: int, options: dict[str, Any], message: str) -> None:
    fraction = 0.2 if options.get("test_fraction") == 0.5 else 0.25
    with pytest.raises(DataError, match=message):
        opened(data_of(series_of(length), **options), fraction)


def test_there_is_no_logarithm_of_zero() -> None:
    values = series_of()
    for position in (3, 80):
        changed = values.copy()
        changed[position, 1] = 0.0
        with pytest.raises(DataError, match=f"row {position + 1} is not positive"):
            opened(data_of(changed, log=True))


def written(text: str) -> SeriesData:
    Path("s.csv").write_text(text)
    data: SeriesData = datasets.build("series_csv", file="s.csv", window=2, horizon=1, period=1)
    return data


def test_the_numeric_columns_of_a_file_are_the_series() -> None:
    data = written("day,sold,spoilt\n2020-01-01,3,1\n2020-01-02,4,0.5\n2020-01-03,5,2\n")
    assert (data.columns, data.targets) == (("sold", "spoilt"), ("sold", "spoilt"))
    assert data.values.tolist() == [[3, 1], [4, 0.5], [5, 2]]
    chosen = datasets.build("series_csv", file="s.csv", columns=["spoilt", "sold"], targets=["sold"])
    assert (chosen.columns, chosen.targets) == (("spoilt", "sold"), ("sold",))
    assert chosen.values.tolist() == [[1, 3], [0.5, 4], [2, 5]]


@pytest.mark.parametrize("gap", ["", "nan"])
def test_a_gap_is_named_with_its_line(gap: str) -> None:
    with pytest.raises(DataError, match=r"s\.csv:4: column 'spoilt' has no value"):
        written(f"day,sold,spoilt\n1-1,3,1\n1-2,4,0.5\n1-3,5,{gap}\n1-4,6,7\n")


def test_a_word_in_a_chosen_column_is_named_with_its_line() -> None:
    Path("s.csv").write_text("sold,spoilt\n3,1\n4,many\n")
    with pytest.raises(DataError, match=r"s\.csv:3: column 'spoilt' has 'many' where a number"):
        datasets.build("series_csv", file="s.csv", columns=["sold", "spoilt"])


def test_unknown_columns_and_targets_are_corrected() -> None:
    Path("s.csv").write_text("sold,spoilt\n3,1\n4,2\n")
    with pytest.raises(DataError, match=r"s\.csv: no column 'sould'; did you mean 'sold'"):
        datasets.build("series_csv", file="s.csv", columns=["sould"])
    with pytest.raises(ConfigError, match=r"dataset\.targets: no column 'spoiled'; did you mean 'spoilt'"):
        datasets.build("series_csv", file="s.csv", targets=["spoiled"])


def test_files_without_numbers_and_missing_ones_are_named() -> None:
    with pytest.raises(DataError, match=r"s\.csv: has no column of numbers; check dataset\.delimiter"):
        written("day;sold\nmonday;three\ntuesday;four\n")
    with pytest.raises(DataError, match=r"none\.csv: no such file"):
        datasets.build("series_csv", file="none.csv")
    with pytest.raises(DataError, match=r"s\.csv: is empty"):
        written("")


def test_a_blank_line_is_a_gap_and_infinity_is_no_number() -> None:
    with pytest.raises(DataError, match=r"s\.csv:3: is blank"):
        written("sold\n3\n\n4\n5\n")
    with pytest.raises(DataError, match=r"s\.csv:3: column 'sold' has 'inf'"):
        written("sold\n3\ninf\n4\n5\n")


def test_dates_that_go_back_are_sorted() -> None:
    with collecting() as told:
        data = written("day,sold\n2001-02,3\n2001-03,4\n2001-01,5\n")
    assert data.values[:, 0].tolist() == [5, 3, 4]
    assert [each.kind for each in told] == ["sorted"]


def test_a_line_of_numbers_is_no_header() -> None:
    with pytest.raises(DataError, match=r"s\.csv:1: a column is called '3'"):
        written("3\n4\n5\n")


@pytest.mark.parametrize("names", [[], ["sold", "sold"]])
@pytest.mark.parametrize("key", ["columns", "targets"])
def test_lists_of_columns_name_each_once(key: str, names: list[str]) -> None:
    Path("s.csv").write_text("sold,spoilt\n3,1\n4,2\n")
    with pytest.raises(ConfigError, match=f"dataset.{key}: names {len(names)} columns"):
        datasets.build("series_csv", file="s.csv", **{key: names})


def test_a_window_longer_than_the_series_is_refused() -> None:
    with pytest.raises(DataError, match="need more"):
        opened(data_of(series_of(), window=5000))
