"""Files that hold several series, or whose lines are no plain table."""

from pathlib import Path

import pytest

from cnncli.config.yaml_source import parse_yaml
from cnncli.core.errors import DataError
from tests.data.made_series import DAYS, MONTHS, VALUES, ahead, build, kinds, series, write


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
    with pytest.raises(DataError, match=r"no column alone .* store and item together do; .*series: \[store, item\]$"):
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


IDS = {
    "two": (["store", "item"], "store,item", [[s, i] for s in "ab" for i in "xyz"]),
    "numbers": (["store", "item"], "store,item", [[s, i] for s in "12" for i in ("007", "7", "8")]),
    "three": (["c", "store", "item"], "c,store,item", [[c, s, i] for c in ("NA", "DE") for s in "ab" for i in "xy"]),
    "odd names": (["1", "an item", "no"], "1,an item,no", [[c, s, i] for c in "pq" for s in "ab" for i in "xy"]),
    "one more": (["store", "item"], "store,unit,item", [[s, "kg", i] for s in "ab" for i in "xyz"]),
}


@pytest.mark.parametrize("case", IDS)
@pytest.mark.parametrize("times", [True, False])
def test_columns_that_tell_series_apart_together_are_advised_as_a_list_that_helps(case: str, times: bool) -> None:
    names, header, ids = IDS[case]
    rows = [[*each, f"{day}", f"{k * 100 + v}"] for k, each in enumerate(ids)
            for day, v in zip(DAYS, VALUES, strict=True)]  # fmt: skip
    if times:
        write(rows, f"{header},when,sold")
        with pytest.raises(DataError, match=r"no column alone tells the series apart, but .* together do") as refused:
            build()
        advice = str(refused.value)
    else:
        write([[*row[:-2], row[-1]] for row in rows], f"{header},sold")
        if case == "numbers":
            return  # nothing tells them from values
        advice = next(each.text for each in build()[1] if each.kind == "series")
    found, _ = parse_yaml(advice.rpartition("dataset.series: ")[2], "advice")
    assert found == names
    data, told = build(series=found)
    assert [each.id for each in data.stretches] == ["/".join(word for word in each if word != "kg") for each in ids]
    assert all(each.end - each.begin == 40 for each in data.stretches)
    assert "series" not in kinds(told)


def test_repeated_times_that_no_columns_explain_name_both_lines_and_the_list() -> None:
    rows = [[store, item, day, value] for store in "ab" for item in "xy" for day, value in series(DAYS)]
    write([*rows, rows[0]], "store,item,when,sold")
    with pytest.raises(DataError, match=r"'2024-01-29' again, after line 2; .*dataset\.series, a column or a list"):
        build(series=["store", "item"])
    with pytest.raises(DataError, match=r"again, after line"):
        build()
