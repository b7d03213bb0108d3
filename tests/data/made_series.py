"""Series as files with times, for the tests that read them."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from cnncli.config.catalog import fill_registries
from cnncli.core.notices import Notice, collecting
from cnncli.core.registry import datasets
from cnncli.data.series import SeriesData

fill_registries()
DAYS = [date(2024, 1, 29) + timedelta(i) for i in range(40)]  # into a leap February, days above 12 and below
MONTHS = [date(1959 + i // 12, 1 + i % 12, 1) for i in range(40)]
HOURS = [datetime(2024, 2, 28, 20) + timedelta(hours=i) for i in range(40)]
VALUES = [round(10 + i * 1.5, 1) for i in range(40)]


def write(rows: list[list[str]], header: str = "when,sold", name: str = "s.csv") -> None:
    Path(name).write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")


def build(**options: Any) -> tuple[SeriesData, list[Notice]]:
    with collecting() as told:
        data: SeriesData = datasets.build("series_csv", file="s.csv", **options)
    return data, told


def ahead(data: SeriesData, steps: int = 2, number: int = 0) -> list[str] | None:
    assert data.found is not None
    return data.found.after(data.found.stretches[number], steps)


def kinds(told: list[Notice]) -> list[str]:
    return [each.kind for each in told]


def series(days: list[Any], drop: tuple[int, ...] = ()) -> list[list[str]]:
    return [[f"{day}", str(v)] for i, (day, v) in enumerate(zip(days, VALUES, strict=False)) if i not in drop]
