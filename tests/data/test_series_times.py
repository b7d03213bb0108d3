"""Series as people have them: times in every usual form, in any order, with gaps, zones and several in one file."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cnncli.config.catalog import fill_registries
from cnncli.core.errors import ConfigError, DataError
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


def unix(factor: int) -> Callable[[datetime], str]:
    return lambda t: str(int(t.replace(tzinfo=UTC).timestamp()) * factor)


def quarter(day: date) -> tuple[int, int]:
    number = MONTHS.index(day)
    return 1800 + number // 4, number % 4 + 1


FORMS: list[tuple[str, list[Any], Callable[[Any], str], list[str]]] = [
    ("ISO", DAYS, lambda d: f"{d}", ["2024-03-09", "2024-03-10"]),
    ("month first", DAYS, lambda d: f"{d:%m/%d/%Y}", ["03/09/2024", "03/10/2024"]),
    ("month first, no zeros", DAYS, lambda d: f"{d.month}/{d.day}/{d.year}", ["3/9/2024", "3/10/2024"]),
    ("month first, short year", DAYS, lambda d: f"{d:%m/%d/%y}", ["03/09/24", "03/10/24"]),
    ("day first, dots", DAYS, lambda d: f"{d:%d.%m.%Y}", ["09.03.2024", "10.03.2024"]),
    ("day first, dashes", DAYS, lambda d: f"{d:%d-%m-%Y}", ["09-03-2024", "10-03-2024"]),
    ("day first, no zeros", DAYS, lambda d: f"{d.day}.{d.month}.{d.year}", ["9.3.2024", "10.3.2024"]),
    ("year first, slashes", DAYS, lambda d: f"{d:%Y/%m/%d}", ["2024/03/09", "2024/03/10"]),
    ("compact", DAYS, lambda d: f"{d:%Y%m%d}", ["20240309", "20240310"]),
    ("month in words", DAYS, lambda d: f'"{d:%B} {d.day}, {d.year}"', ["March 9, 2024", "March 10, 2024"]),
    ("month in words, no comma", DAYS, lambda d: f"{d:%B %d %Y}", ["March 09 2024", "March 10 2024"]),
    ("month in short", DAYS, lambda d: f"{d:%d-%b-%Y}", ["09-Mar-2024", "10-Mar-2024"]),
    ("month in short, short year", DAYS, lambda d: f"{d:%d-%b-%y}", ["09-Mar-24", "10-Mar-24"]),
    ("day, month in words", DAYS, lambda d: f"{d.day} {d:%B} {d.year}", ["9 March 2024", "10 March 2024"]),
    ("weekday", DAYS, lambda d: f'"{d:%a, %d %b %Y}"', ["Sat, 09 Mar 2024", "Sun, 10 Mar 2024"]),
    ("year and month", MONTHS, lambda d: f"{d:%Y-%m}", ["1962-05", "1962-06"]),
    ("month and year", MONTHS, lambda d: f"{d:%m/%Y}", ["05/1962", "06/1962"]),
    ("month and short year", MONTHS, lambda d: f"{d:%b-%y}", ["May-62", "Jun-62"]),
    ("month in words and year", MONTHS, lambda d: f"{d:%B %Y}", ["May 1962", "June 1962"]),
    ("year and month, compact", MONTHS, lambda d: f"{d:%Y%m}", ["196205", "196206"]),
    ("first of the month", MONTHS, lambda d: f"{d}", ["1962-05-01", "1962-06-01"]),
    ("end of the month", MONTHS, lambda d: f"{d - timedelta(1)}", ["1962-04-30", "1962-05-31"]),
    ("quarters", MONTHS, lambda d: "{}Q{}".format(*quarter(d)), ["1810Q1", "1810Q2"]),
    ("quarters, dash", MONTHS, lambda d: "{}-Q{}".format(*quarter(d)), ["1810-Q1", "1810-Q2"]),
    ("years", MONTHS, lambda d: str(1900 + MONTHS.index(d)), ["1940", "1941"]),
    ("hours, T", HOURS, lambda t: f"{t:%Y-%m-%dT%H:%M}", ["2024-03-01T12:00", "2024-03-01T13:00"]),
    ("hours, seconds", HOURS, lambda t: f"{t:%Y-%m-%d %H:%M:%S}", ["2024-03-01 12:00:00", "2024-03-01 13:00:00"]),
    ("hours, milliseconds", HOURS, lambda t: f"{t:%Y-%m-%d %H:%M:%S}.000",
     ["2024-03-01 12:00:00.000000", "2024-03-01 13:00:00.000000"]),
    ("hours, no zeros", HOURS, lambda t: f"{t.month}/{t.day}/{t.year} {t.hour}:00",
     ["3/1/2024 12:00", "3/1/2024 13:00"]),
    ("twelve hours", HOURS, lambda t: f"{t:%m/%d/%Y %I:%M %p}", ["03/01/2024 12:00 PM", "03/01/2024 01:00 PM"]),
    ("hours, UTC", HOURS, lambda t: f"{t:%Y-%m-%dT%H:%M:%S}Z", ["2024-03-01T12:00:00Z", "2024-03-01T13:00:00Z"]),
    ("hours, offset", HOURS, lambda t: f"{t:%Y-%m-%d %H:%M}+05:30",
     ["2024-03-01 12:00+05:30", "2024-03-01 13:00+05:30"]),
    ("hours, named UTC", HOURS, lambda t: f"{t:%Y-%m-%d %H:%M} UTC", ["2024-03-01 12:00 UTC", "2024-03-01 13:00 UTC"]),
    ("compact hours", HOURS, lambda t: f"{t:%Y%m%dT%H%M%S}", ["20240301T120000", "20240301T130000"]),
    ("seconds since 1970", HOURS, unix(1), ["1709294400", "1709298000"]),
    ("milliseconds since 1970", HOURS, unix(1000), ["1709294400000", "1709298000000"]),
    ("microseconds since 1970", HOURS, unix(10**6), ["1709294400000000", "1709298000000000"]),
]  # fmt: skip


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("order", ["oldest first", "newest first", "shuffled"])
@pytest.mark.parametrize(("moments", "text", "after"), [form[1:] for form in FORMS], ids=[form[0] for form in FORMS])
def test_times_are_read_in_every_usual_form_and_order(
    moments: list[Any], text: Callable[[Any], str], after: list[str], order: str, place: str
) -> None:
    rows = [[text(moment), str(value)] for moment, value in zip(moments, VALUES, strict=True)]
    if order == "newest first":
        rows = rows[::-1]
    if order == "shuffled":
        rows = [rows[i * 7 % 40] for i in range(40)]
    header = "timestamp,sold"
    if place == "last":
        rows, header = [row[::-1] for row in rows], "sold,timestamp"
    if len(rows[0][0 if place == "first" else 1]) == 4:
        header = header.replace("timestamp", "year")
    write(rows, header)
    data, told = build()
    assert data.columns == ("sold",)
    assert data.values[:, 0].tolist() == VALUES
    assert ahead(data) == after
    number = text(moments[0]).isdigit()
    assert kinds(told) == ["times"] * number + ["sorted"] * (order != "oldest first")


UNREADABLE = [
    ("no year", [f"{d:%B %d}" for d in DAYS], "order"),
    ("words", [f"day {i}" for i in range(40)], "order"),
]


@pytest.mark.parametrize("texts", [case[1] for case in UNREADABLE], ids=[case[0] for case in UNREADABLE])
def test_what_is_no_time_is_said_or_refused_where_it_was_named(texts: list[str]) -> None:
    write([[text, str(value)] for text, value in zip(texts, VALUES, strict=True)])
    data, told = build()
    assert data.values[:, 0].tolist() == VALUES
    assert kinds(told) == ["order"]
    assert "'when'" in told[0].text
    with pytest.raises(DataError, match=r"dataset\.time: column 'when' holds no times.*set dataset\.time: false"):
        build(time="when")
    assert not build(time=False)[1], "asked for, so nothing is said"


NO_USUAL_FORM = [
    ("another language", "Datum", [f"{d.day}. März {d.year}" for d in DAYS]),
    ("Chinese", "when", [f"{d.year}年{d.month}月{d.day}日" for d in DAYS]),
    ("quarters", "when", [f"Q{quarter(d)[1]} {quarter(d)[0]}" for d in MONTHS]),
    ("weeks", "date", [f"{2000 + n // 50}-W{n % 50 + 1:02}" for n in range(40)]),
    ("no year", "ds", [f"{d:%B %d}" for d in DAYS]),
    ("days since 1899", "Date", [str(45000 + n) for n in range(40)]),
]


@pytest.mark.parametrize(("header", "texts"), [case[1:] for case in NO_USUAL_FORM], ids=[c[0] for c in NO_USUAL_FORM])
def test_times_that_cannot_be_read_are_refused_and_not_taken_as_they_lie(header: str, texts: list[str]) -> None:
    rows = [[text, str(value)] for text, value in zip(texts, VALUES, strict=False)]
    write(rows[::-1], f"{header},sold")
    with pytest.raises(
        DataError, match=rf"column '{header}' has .*, no time in a usual form.*set dataset\.time: false"
    ):
        build(columns=["sold"])
    data, told = build(columns=["sold"], time=False)
    assert data.values[:, 0].tolist() == [value for _, value in zip(texts, VALUES, strict=False)][::-1]
    assert told == []


def test_numbers_that_count_upwards_are_no_times_that_could_not_be_read() -> None:
    write([[str(n), str(value)] for n, value in enumerate(VALUES)], "time,sold")
    assert build(columns=["sold"])[0].values[:, 0].tolist() == VALUES


def test_several_series_without_times_are_said_and_told_apart_on_request() -> None:
    rows = [[name, str(1000 * k + value)] for k, name in enumerate("AB") for value in VALUES]
    write(rows, "store,sold")
    _, told = build(columns=["sold"])
    assert kinds(told) == ["order", "series"]
    assert told[1].text.endswith("set dataset.series: store")
    data, told = build(columns=["sold"], series="store")
    assert [stretch.id for stretch in data.stretches] == ["A", "B"]
    assert kinds(told) == ["order"]


@pytest.mark.parametrize("form", ["{0:02}/{1:02}/2024", "{0}.{1}.2024", "{0:02}-{1:02}-24"])
def test_days_and_months_that_could_be_exchanged_are_asked_for(form: str) -> None:
    write([[form.format(number, 3), str(number)] for number in range(1, 13)])
    with pytest.raises(DataError, match=r"could be exchanged, such as .*set dataset\.day_first: true or false"):
        build()
    days, _ = build(day_first=True)
    assert str(days.found and days.found.step) == "day"
    months, _ = build(day_first=False)
    assert str(months.found and months.found.step) == "month"


def test_an_order_of_day_and_month_that_does_not_fit_is_refused() -> None:
    write([[f"{d:%m/%d/%Y}", str(v)] for d, v in zip(DAYS, VALUES, strict=True)])
    with pytest.raises(DataError, match=r"dataset\.day_first: true does not fit; leave it out"):
        build(day_first=True)
    assert build(day_first=False)[0].values.tolist() == build()[0].values.tolist()
    write([[f"{d}", str(v)] for d, v in zip(DAYS, VALUES, strict=True)])
    assert ahead(build(day_first=True)[0]) == ["2024-03-09", "2024-03-10"], "it says nothing of other forms"


@pytest.mark.parametrize("form", ["%d.%m.%Y", "%m/%d/%Y", "%Y%m%d"])
def test_one_wrong_time_of_an_ambiguous_form_is_named_too(form: str) -> None:
    rows = [[f"{d:{form}}", str(v)] for d, v in zip(DAYS, VALUES, strict=True)]
    rows[5][0] = "soon"
    write(rows)
    with pytest.raises(DataError, match=r"s\.csv:7: column 'when' has 'soon', no time in the form of the others"):
        build()


def test_a_time_that_is_none_among_times_is_named() -> None:
    rows = [[f"{day}", str(value)] for day, value in zip(DAYS, VALUES, strict=True)]
    rows[20][0] = "2024-02-30"
    write(rows)
    with pytest.raises(DataError, match=r"s\.csv:22: column 'when' has '2024-02-30', no time in the form of"):
        build()
    assert len(build(time=False)[0].values) == 40


def test_times_without_a_year_are_never_guessed_from_numbers_that_are_values() -> None:
    write([[str(1990 + 3 * (i % 5)), str(value)] for i, value in enumerate(VALUES)], "price,sold")
    data, told = build()
    assert data.columns == ("price", "sold")
    assert kinds(told) == ["order"]
    write([[str(20240101 + i), str(value)] for i, value in enumerate(VALUES[:20])], "visitors,sold")
    assert build(columns=["visitors", "sold"])[0].columns == ("visitors", "sold"), "named as values"


def test_date_and_time_in_two_columns_are_joined() -> None:
    write([[f"{t:%Y-%m-%d}", f"{t:%H:%M}", str(v)] for t, v in zip(HOURS, VALUES, strict=True)], "date,time,sold")
    data, told = build()
    assert (data.columns, ahead(data), told) == (("sold",), ["2024-03-01 12:00", "2024-03-01 13:00"], [])
    write([[f"{t:%d.%m.%Y}", str(t.hour), str(v)] for t, v in zip(HOURS, VALUES, strict=True)], "date,hour,sold")
    assert ahead(build()[0]) == ["01.03.2024 12:00", "01.03.2024 13:00"]
    write([[str(t.year), str(t.month), str(t.day), str(t.hour), str(v)]
           for t, v in zip(HOURS, VALUES, strict=True)][::-1], "year,month,day,hour,sold")  # fmt: skip
    data, told = build()
    assert (data.columns, ahead(data)) == (("sold",), ["2024-03-01 12:00", "2024-03-01 13:00"])
    assert data.values[:, 0].tolist() == VALUES
    assert kinds(told) == ["sorted"]
    assert build(time=["year", "month", "day", "hour"])[0].values.tolist() == data.values.tolist()


def test_years_and_quarters_or_months_in_columns_of_their_own_are_joined() -> None:
    for written, after in (("Q{}", "1810Q1"), ("{}", "1810Q1")):
        rows = [
            [str(quarter(d)[0]), written.format(quarter(d)[1]), str(v)] for d, v in zip(MONTHS, VALUES, strict=True)
        ]
        write(rows, "year,quarter,sold")
        assert ahead(build()[0], 1) == [after]
    write([[str(d.year), str(d.month), str(v)] for d, v in zip(MONTHS, VALUES, strict=True)], "Year,Month,sold")
    assert ahead(build()[0], 1) == ["1962-05"]


def test_of_two_columns_of_times_the_first_is_taken_and_said_or_the_one_that_is_named() -> None:
    write([[f"{d}", f"{d + timedelta(3)}", str(v)] for d, v in zip(DAYS, VALUES, strict=True)], "from,to,sold")
    data, told = build()
    assert ahead(data, 1) == ["2024-03-09"]
    assert kinds(told) == ["times"]
    assert "'from', not of 'to'; dataset.time" in told[0].text
    data, told = build(time="to")
    assert (ahead(data, 1), told) == (["2024-03-12"], [])


def series(days: list[Any], drop: tuple[int, ...] = ()) -> list[list[str]]:
    return [[f"{day}", str(v)] for i, (day, v) in enumerate(zip(days, VALUES, strict=False)) if i not in drop]


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


def several(ids: tuple[str, ...] = ("A", "B"), interleaved: bool = False) -> list[list[str]]:
    rows = [
        [name, f"{day}", str(1000 * k + v)] for k, name in enumerate(ids) for day, v in zip(MONTHS, VALUES, strict=True)
    ]
    return sorted(rows, key=lambda row: row[1]) if interleaved else rows


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("ids", [("A", "B"), ("1", "2", "3"), ("007", "7")])
def test_repeated_times_are_explained_by_a_column_of_ids(ids: tuple[str, ...], interleaved: bool) -> None:
    write(several(ids, interleaved), "store,when,sold")
    data, told = build()
    assert data.columns == ("sold",)
    assert kinds(told) == ["series"]
    assert f"{len(ids)} series, told apart by 'store'" in told[0].text
    assert [stretch.id for stretch in data.stretches] == list(ids)
    for k, stretch in enumerate(data.stretches):
        assert data.values[stretch.begin : stretch.end, 0].tolist() == [1000 * k + v for v in VALUES]
        assert ahead(data, 1, k) == ["1962-05-01"]
    again, told = build(series="store")
    assert (again.values.tolist(), told) == (data.values.tolist(), [])


def test_a_time_that_is_there_twice_is_named_with_both_lines_and_the_advice_helps() -> None:
    rows = series(DAYS)
    write([*rows[:10], [rows[4][0], "77"], *rows[10:]])
    with pytest.raises(DataError, match=r"s\.csv:12: column 'when' has '2024-02-02' again, after line 6; .*"
                                        r"dataset\.series"):  # fmt: skip
        build()
    rows = [[store, item, day, value] for store in "ab" for item in "xyz" for day, value in series(DAYS)]
    write(rows, "store,item,when,sold")
    with pytest.raises(DataError, match=r"again, after line"):
        build()
    assert [each.id for each in build(series=["store", "item"])[0].stretches] == [
        "a/x",
        "a/y",
        "a/z",
        "b/x",
        "b/y",
        "b/z",
    ]
    rows = [[store, store.upper(), day, value] for store in "ab" for day, value in series(DAYS)]
    write(rows, "store,name,when,sold")
    with pytest.raises(DataError, match=r"'store' or 'name' could tell the series apart; set dataset\.series: store"):
        build()
    assert len(build(series="store")[0].stretches) == 2
    with pytest.raises(DataError, match=r"dataset\.series: no column 'shop'"):
        build(series="shop")


def test_gaps_are_those_of_each_series() -> None:
    rows = [row for row in several() if row[:2] != ["B", "1960-01-01"]]
    write(rows, "store,when,sold")
    with pytest.raises(
        DataError, match=r"s\.csv:54: column 'when' of series 'B' goes from '1959-12-01' to '1960-02-01'"
    ):
        build()
    data, _ = build(gaps="interpolate")
    assert len(data.values) == 80
    assert data.values[52, 0] == pytest.approx(1000 + VALUES[12])


@pytest.mark.parametrize("header", ["date,0,1,OT", "day,2019,2020,name"])
def test_numbers_are_names_where_other_columns_have_names(header: str) -> None:
    last = "x" if header.endswith("name") else "5"
    write([[f"{d}", str(v), str(v / 2), last] for d, v in zip(DAYS, VALUES, strict=True)], header)
    numbered = tuple(header.split(",")[1:3])
    assert build()[0].columns[:2] == numbered
    assert build(columns=[numbered[1]])[0].values[:, 0].tolist() == [v / 2 for v in VALUES]


@pytest.mark.parametrize("rows", [series(DAYS), [row[1:] for row in series(DAYS)]], ids=["dates", "numbers alone"])
def test_a_file_without_a_header_is_refused_with_advice_that_helps(rows: list[list[str]]) -> None:
    Path("s.csv").write_text("\n".join(",".join(row) for row in rows) + "\n")
    with pytest.raises(DataError, match=r"s\.csv:1: .*dataset\.header: false"):
        build()
    data, _ = build(header=False)
    assert data.values[:, 0].tolist() == VALUES


def test_lines_at_the_end_and_encodings_are_the_configs_to_name() -> None:
    text = "日期,销量\n" + "".join(f"{day},{value}\n" for day, value in series(DAYS)) + "来源,网站,2024\n\n"
    Path("s.csv").write_bytes(text.encode("gb18030"))
    with pytest.raises(DataError, match=r"s\.csv:42: "):
        build()
    data, told = build(footer=1)
    assert data.columns == ("销量",)
    assert data.values[:, 0].tolist() == VALUES
    assert kinds(told) == ["encoding"]
    assert build(footer=1, encoding="gb18030")[1] == []


def test_positions_are_told_where_there_are_no_times() -> None:
    write(series(DAYS))
    assert build()[0].time_at(3).startswith("2024-02-01T00:00")
    assert build(time=False)[0].time_at(3) == "3"


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_what_parts_the_cells_and_a_decimal_comma_are_found(mark: str) -> None:
    rows = "".join(f"{day:%d.%m.%Y}{mark}{n},5{mark}{n},25\n" for n, day in enumerate(DAYS))
    Path("s.csv").write_text(f"when{mark}sold{mark}left\n{rows}")
    data, told = build()
    assert data.values.tolist() == [[n + 0.5, n + 0.25] for n in range(len(DAYS))]
    assert kinds(told) == ["delimiter", "decimal"]
    assert build(delimiter=mark)[0].values.tolist() == data.values.tolist()
