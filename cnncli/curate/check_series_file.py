"""What is wrong with the lines of a file of series: cells, times and gaps, all of them at once."""

from dataclasses import fields
from typing import Any

import numpy as np

from cnncli.core.errors import DataError
from cnncli.curate.findings import MOST, Finding, at_lines, count_of, some
from cnncli.data.find import find_data
from cnncli.data.gaps import Clock, clock_of
from cnncli.data.series_columns import find_series
from cnncli.data.series_file import Reading, identities, read_rows
from cnncli.data.time_columns import Table, find_times
from cnncli.data.times import Times


def look_at_file(args: dict[str, Any]) -> tuple[list[Finding], list[Finding], dict[str, Any]]:
    """Faults and notices on the lines, and the arguments with which they can be read in spite of them."""
    reading = Reading(**{field.name: args[field.name] for field in fields(Reading)})
    path = find_data(args["path"])
    try:
        table = read_rows(path, reading)
    except DataError:  # building the data set says it
        return [], [], {}
    try:
        times, used = find_times(table, reading.time, reading.day_first, reading.zone)
        ids = find_series(table, reading.series, times, used)
        identities(table, ids)
    except DataError:
        times, used, ids = None, set(), []
    columns = [
        name for name in reading.columns or table.frame.columns
        if name in table.frame.columns and name not in used | set(ids) and table.holds_values(name)
    ]  # fmt: skip
    faults, words = _cells(table, columns, reading)
    if times is not None:
        faults += _times(table, times, ids, reading)
    loosened: dict[str, Any] = {"na_values": [*reading.na_values, *words]}
    if reading.gaps in ("error", "ignore"):
        loosened["gaps"] = "interpolate"
    return faults, _alike(table, ids), loosened


def _lines(table: Table, flags: Any) -> list[int]:
    return [int(line) for line in table.frame.index[np.flatnonzero(flags)[:MOST]]]


def _cells(table: Table, columns: list[str], reading: Reading) -> tuple[list[Finding], list[str]]:
    """Cells that hold no number or nothing, and the texts among them."""
    found: list[Finding] = []
    words: dict[str, None] = {}
    for column in columns:
        try:
            values, bad = table.written(column)
        except DataError:  # its form is in doubt: building the data set says it
            continue
        if bad.any():
            own = list(dict.fromkeys(table.frame[column][bad].astype(str).str.strip()))
            words |= dict.fromkeys(own)
            kind, cause = ("infinite", "infinite") if np.isinf(values[bad]).all() else ("mixed", "not a number")
            shown = some([repr(word) for word in own])
            text = f"has {count_of(int(bad.sum()), 'value', '')}that cannot be used ({cause}): {shown}"
            advice = "fix them, or name them in dataset.na_values"
            found.append(_finding(table, kind, column, text, _lines(table, bad), advice))
        missing = np.isnan(values) & ~bad
        if missing.any() and reading.gaps not in ("interpolate", "previous"):
            text = f"has no value in {int(missing.sum()):,} of {len(values):,} lines"
            advice = "fill them, or set dataset.gaps: interpolate"
            found.append(_finding(table, "missing", column, text, _lines(table, missing), advice))
    return found, list(words)


def _finding(table: Table, kind: str, column: str, text: str, lines: list[int], advice: str) -> Finding:
    whole = f"{table.name}: column '{column}' {text} ({at_lines(lines)}); {advice}"
    return Finding(kind, whole, lines=lines, column=column)


def _times(table: Table, times: Times, ids: list[str], reading: Reading) -> list[Finding]:
    """Times that are there twice in one series, and steps that are not there."""
    _, codes = identities(table, ids)
    order = np.lexsort((times.values, codes))
    moments, codes = times.values[order], codes[order]
    inside = codes[1:] == codes[:-1]
    again = np.concatenate([[False], inside & (moments[1:] == moments[:-1])])
    found: list[Finding] = []
    if again.any():
        lines = sorted(int(line) for line in table.frame.index[order[again][:MOST]])
        text = f"has {count_of(int(again.sum()), 'time', '')}that is there before"
        advice = (
            "remove the lines, or name what tells series apart with dataset.series, a column or a list [store, item]"
        )
        found.append(_finding(table, "repeated_time", times.column, text, lines, advice))
    if reading.gaps == "error":
        found += _gaps(table, times, order[~again], codes[~again])
    return found


def _gaps(table: Table, times: Times, order: Any, codes: Any) -> list[Finding]:
    """Steps that are missing between the lines of a series, by the step of the longest one."""
    lines: list[int] = []
    count = 0
    clock = _clock(table, times, order, codes)
    if clock.step is None:
        return []
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        if len(own) < 2:
            continue
        positions, off = clock.step.positions(clock.moments[own])
        missing = np.diff(positions) - 1
        if off.any():  # no gap but other times: building the data set says it
            continue
        count += int(missing.sum())
        lines += [int(line) for line in clock.lines[own[1:]][missing > 0]]
    if not count:
        return []
    steps = count_of(count, "step", f"({clock.step})")
    text = f"{steps} missing in {count_of(len(lines), 'gap', '')}before {at_lines(lines)}"
    advice = "add the lines, or set dataset.gaps: interpolate (or previous)"
    return [Finding("gap", f"{table.name}: {text}; {advice}", lines=lines[:MOST], column=times.column)]


def _clock(table: Table, times: Times, order: Any, codes: Any) -> Clock:
    _, first, counts = np.unique(codes, return_index=True, return_counts=True)
    longest = int(counts.argmax())
    begin = int(first[longest])
    lines = table.frame.index.to_numpy()[order]
    return clock_of(table.name, times, order, lines, slice(begin, begin + int(counts[longest])))


def _alike(table: Table, ids: list[str]) -> list[Finding]:
    """Names of series that differ in case and blanks only."""
    names, _ = identities(table, ids)
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(" ".join(name.split()).casefold(), []).append(name)
    return [
        Finding("similar_series", f"{table.name}: the series {some([repr(name) for name in same])} look like one")
        for same in alike.values() if len(same) > 1
    ]  # fmt: skip
