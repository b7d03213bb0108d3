"""Steps, gaps and zones of series."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cnncli.core.errors import ConfigError, DataError
from tests.data.made_series import DAYS, HOURS, MONTHS, VALUES, ahead, build, kinds, series, write

BUSINESS = [date(2024, 1, 1) + timedelta(7 * (i // 5) + i % 5) for i in range(40)]
NO_GAPS = [
    ("days", DAYS, "2024-03-09"),
    ("business days", BUSINESS, "2024-02-26"),
    ("weeks", [date(2024, 1, 1) + timedelta(7 * i) for i in range(40)], "2024-10-07"),
    ("months", MONTHS, "1962-05-01"),
    ("ends of months", [day - timedelta(1) for day in MONTHS], "1962-04-30"),
    ("the 30th", [date(2021 + i // 12, 1 + i % 12, 30 if i % 12 != 1 else 28 + (i == 37)) for i in range(40)],
     "2024-05-30"),
    ("quarters", [date(1990 + i // 4, 1 + i % 4 * 3, 1) for i in range(40)], "2000-01-01"),
    ("ends of quarters", [date(1990 + i // 4, 1 + i % 4 * 3, 1) - timedelta(1) for i in range(40)], "1999-12-31"),
    ("years", [date(1950 + i, 1, 1) for i in range(40)], "1990-01-01"),
    ("last business days", [np.busday_offset(f"{d - timedelta(1)}", 0, roll="backward") for d in MONTHS], "1962-04-30"),
]  # fmt: skip


@pytest.mark.parametrize(("days", "after"), [case[1:] for case in NO_GAPS], ids=[case[0] for case in NO_GAPS])
def test_a_step_is_one_of_the_calendar_without_false_gaps(days: list[Any], after: str) -> None:
    write(series(days))
    data, told = build()
    assert (len(data.values), told) == (40, [])
    assert ahead(data, 1) == [after]


STRICT = [case[:2] for case in NO_GAPS if "business" not in case[0]]


@pytest.mark.parametrize("days", [case[1] for case in STRICT], ids=[case[0] for case in STRICT])
def test_a_gap_is_named_with_its_line_and_filled_on_request(days: list[Any]) -> None:
    write(series(days, drop=(20, 30, 31)))
    message = r"1 step \(.*\) is missing \(2 gaps in all, also before lines 31\); .*set dataset\.gaps: interpolate"
    with pytest.raises(DataError, match=r"s\.csv:22: .* " + message) as refused:
        build()
    assert f"goes from '{days[19]}' to '{days[21]}'" in str(refused.value)
    filled, told = build(gaps="interpolate")
    assert filled.values[:, 0].tolist() == pytest.approx(VALUES)
    assert kinds(told) == ["gaps"]
    assert "3 missing values" in told[0].text
    previous, _ = build(gaps="previous")
    assert previous.values[[19, 20, 21, 29, 30, 31, 32], 0].tolist() == [
        VALUES[i] for i in (19, 19, 21, 29, 29, 29, 32)
    ]
    as_it_lies, told = build(gaps="ignore")
    assert (len(as_it_lies.values), told) == (37, [])


def test_holidays_are_no_gap_of_business_days_but_weeks_are() -> None:
    write(series(BUSINESS, drop=(12, 13)))
    data, told = build()
    assert (len(data.values), told) == (38, [])
    assert ahead(data, 6) == [f"2024-02-{day}" for day in (26, 27, 28, 29)] + ["2024-03-01", "2024-03-04"]
    write(series(BUSINESS, drop=tuple(range(12, 22))))
    with pytest.raises(DataError, match=r"s\.csv:14: .* 10 steps \(business day\) are missing"):
        build()


def test_an_empty_cell_or_a_listed_one_is_a_gap_and_filled_on_request() -> None:
    rows = series(DAYS)
    rows[10][1], rows[20][1] = "", "?31.0"
    write(rows)
    for options, message in (
        ({}, r"s\.csv:22: column 'sold' has '\?31\.0' where a number is expected; .*dataset\.na_values.*dataset\.gaps"),
        ({"na_values": ["?31.0"]}, r"s\.csv:12: column 'sold' has no value; .*set dataset\.gaps: interpolate"),
        ({"na_values": ["?31.0"], "gaps": "ignore"}, r"s\.csv:12: column 'sold' has no value"),
    ):
        with pytest.raises(DataError, match=message):
            build(**options)
    data, told = build(na_values=["?31.0"], gaps="interpolate")
    assert data.values[:, 0].tolist() == pytest.approx(VALUES)
    assert "2 missing values" in told[0].text
    data, _ = build(na_values=["?31.0"], gaps="previous")
    assert data.values[[10, 20], 0].tolist() == [VALUES[9], VALUES[19]]


def test_times_off_the_step_and_uneven_ones() -> None:
    rows = [[f"{t:%Y-%m-%d %H:%M}", str(v)] for t, v in zip(HOURS, VALUES, strict=True)]
    rows[7][0] = rows[7][0].replace(":00", ":20")
    write(rows)
    message = r"where the other lines are one step \(hour\) apart; .*dataset\.gaps: ignore"
    with pytest.raises(DataError, match=r"s\.csv:9: column 'when' has '2024-02-29 03:20', " + message):
        build()
    assert len(build(gaps="ignore")[0].values) == 40
    write([[f"{DAYS[0] + timedelta(i * i)}", str(v)] for i, v in enumerate(VALUES)])
    data, told = build()
    assert (len(data.values), ahead(data), kinds(told)) == (40, None, ["uneven"])


def test_a_wrong_time_does_not_fill_a_century() -> None:
    rows = series(DAYS)
    rows[-1][0] = "2924-03-09"
    write(rows)
    with pytest.raises(DataError, match=r"s\.csv:41: .*too many to fill"):
        build(gaps="interpolate")
    assert len(build(gaps="ignore")[0].values) == 40


BERLIN = ZoneInfo("Europe/Berlin")


def clock(start: datetime, form: str, hours: int = 100, zone: ZoneInfo = BERLIN) -> list[str]:
    moments = [(start + timedelta(hours=i)).astimezone(zone) for i in range(hours)]
    return [moment.isoformat() if form == "offset" else f"{moment:%Y-%m-%d %H:%M}" for moment in moments]


AUTUMN, SPRING = datetime(2024, 10, 25, tzinfo=UTC), datetime(2024, 3, 29, tzinfo=UTC)


@pytest.mark.parametrize("start", [AUTUMN, SPRING])
@pytest.mark.parametrize("newest_first", [False, True])
def test_offsets_are_read_and_daylight_saving_is_explained(start: datetime, newest_first: bool) -> None:
    turn = -1 if newest_first else 1
    rows = [[text, str(number)] for number, text in enumerate(clock(start, "offset"))]
    write(rows[::turn])
    data, _ = build()
    assert data.values[:, 0].tolist() == list(range(100))
    assert str(data.found and data.found.step) == "hour"
    last = (start + timedelta(hours=100)).astimezone(BERLIN)
    assert ahead(data, 1) == [last.isoformat()]
    rows = [[text, str(number)] for number, text in enumerate(clock(start, "local"))]
    write(rows[::turn])
    word = "put back" if start == AUTUMN else "put forward"
    with pytest.raises(
        DataError, match=rf"clocks are {word} in such a night: set dataset\.zone.* Europe/Berlin"
    ) as refused:
        build()
    assert re.search(r"s\.csv:\d+: column 'when'", str(refused.value))
    data, _ = build(zone="Europe/Berlin")
    assert data.values[:, 0].tolist() == list(range(100))
    assert ahead(data, 1) == [f"{last:%Y-%m-%d %H:%M}"]


def test_days_in_local_time_with_offsets_have_no_gaps() -> None:
    days = [datetime(2024, 3, 25, tzinfo=BERLIN) + timedelta(i) for i in range(20)]
    write([[day.isoformat(), str(number)] for number, day in enumerate(days)])
    data, told = build()
    assert told == []
    assert ahead(data, 1) == ["2024-04-14T00:00:00+02:00"]


def test_zones_that_are_none_or_do_not_fit_are_named() -> None:
    write([[text, str(number)] for number, text in enumerate(clock(AUTUMN, "local"))])
    with pytest.raises(ConfigError, match=r"dataset\.zone: 'Berlin' is no time zone; such as Europe/Berlin"):
        build(zone="Berlin")
    write([["2024-03-31 01:30", "1"], ["2024-03-31 02:30", "2"], ["2024-03-31 03:30", "3"]])
    with pytest.raises(DataError, match=r"does not hold times of Europe/Berlin \(.*\); leave dataset\.zone out"):
        build(zone="Europe/Berlin")
    assert len(build()[0].values) == 3
