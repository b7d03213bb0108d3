"""Times of series in every usual form and order."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from cnncli.core.errors import DataError
from tests.data.made_series import DAYS, HOURS, MONTHS, VALUES, ahead, build, kinds, write


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
