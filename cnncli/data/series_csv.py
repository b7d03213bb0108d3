"""The data set ``series_csv``: series of your own."""

from typing import Literal

from cnncli.core.errors import ConfigError, did_you_mean
from cnncli.core.numbers import Count, Fraction, Steps
from cnncli.core.registry import datasets
from cnncli.data.csv_table import Delimiter
from cnncli.data.find import find_data
from cnncli.data.gaps import Gaps
from cnncli.data.number_forms import Decimal, Thousands
from cnncli.data.series import SeriesData
from cnncli.data.series_file import Footer, Reading, read_series
from cnncli.data.table_file import HeaderLine


@datasets.register(
    "series_csv", suggests={"task": "forecasting"}, traits={"one_file"}, places=("path",), renamed={"file": "path"}
)
def series_csv(
    path: str,
    columns: list[str] | None = None,
    targets: list[str] | None = None,
    window: Steps = 24,
    horizon: Steps = 12,
    period: Count = 12,
    log: bool = False,
    difference: Count | None = None,
    delimiter: Delimiter | None = None,
    test_fraction: Fraction = 0.2,
    time: str | list[str] | Literal[False] | None = None,
    series: str | list[str] | None = None,
    day_first: bool | None = None,
    zone: str | None = None,
    gaps: Gaps = "error",
    na_values: tuple[str, ...] = (),
    header: bool | HeaderLine = True,
    footer: Footer = 0,
    encoding: str | None = None,
    decimal: Decimal | None = None,
    thousands: Thousands | None = None,
) -> SeriesData:
    """Numbers over time from a CSV file, a row a step: `columns` (all numeric ones) tell the next `targets` (the same).

    `period` is the season (12 for months of a year), `difference` makes the network learn changes over so many
    steps, `log` factors instead of sums. The last `test_fraction` is the test part. Times are found in any column,
    or `time` names it (false: none), `series` the column that tells several apart; `day_first` and `zone` say how
    times are meant, `decimal` and `thousands` how numbers are, `gaps` what becomes of missing steps (docs/series.md).
    """
    file = find_data(path)
    _require_different(columns=columns, targets=targets)
    reading = Reading(columns, delimiter, time, series, day_first, zone, gaps, na_values, header, footer, encoding,
                      decimal, thousands)  # fmt: skip
    found = read_series(file, reading)
    wanted = _known(targets, found.columns)
    return SeriesData(
        path, found.values, found.columns, wanted, window, horizon, period, log, difference, test_fraction, found
    )


def _known(targets: list[str] | None, columns: tuple[str, ...]) -> tuple[str, ...]:
    """The columns to forecast; raises ``ConfigError`` for one that is not there."""
    for name in targets or ():
        if name not in columns:
            raise ConfigError(f"dataset.targets: no column '{name}'; {did_you_mean(name, columns)}")
    return columns if targets is None else tuple(targets)


def _require_different(**keys: list[str] | None) -> None:
    for key, given in keys.items():
        if given is not None and (not given or len(set(given)) < len(given)):
            raise ConfigError(f"dataset.{key}: names {len(given)} columns, some twice or none; name each once")
