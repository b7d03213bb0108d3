"""Random tables, damaged at random: read as the strict readers of Python and pandas read them, or refused in a line."""

import csv
import io
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cnncli.core.errors import DataError
from cnncli.core.notices import collecting
from cnncli.data.table_file import open_table

FEW = settings(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
COUNT = int(os.environ.get("CNNCLI_FUZZ", "60"))
REFUSED_BY_RULE = (
    "where", "two columns are called", "has no name", "has a header but no rows", "holds NUL bytes", "is empty",
    "is not UTF-8",
)  # fmt: skip
CELLS = st.one_of(
    st.integers(-999, 999).map(str),
    st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=False).map(lambda value: f"{value:.6g}"),
    st.sampled_from(
        ["", "NA", "a b", "1,5", "x;y", 'say "hi"', "two\nlines", "café", "北京", "007", " 5 ", "-", "1e5"]
    ),
)
DAMAGE = st.lists(
    st.tuples(st.sampled_from(["drop", "double", "swap", "insert", "cut", "quote"]), st.integers(0, 10_000)), max_size=2
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[bytes, str]:
    """The bytes of a table and its delimiter; some damaged."""
    width, delimiter = draw(st.integers(2, 4)), draw(st.sampled_from([",", ";", "\t"]))
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=8))
    text = io.StringIO()
    ending = draw(st.sampled_from(["\n", "\r\n"]))
    csv.writer(text, delimiter=delimiter, lineterminator=ending).writerows([[f"c{n}" for n in range(width)], *rows])
    content = text.getvalue().encode()
    for kind, number in draw(DAMAGE):
        content = damaged(content, kind, number)
    return content, delimiter


def damaged(content: bytes, kind: str, number: int) -> bytes:
    """One thing changed at a place that ``number`` tells."""
    at = number % (len(content) + 1)
    lines = content.splitlines(keepends=True)
    line = number % max(len(lines), 1)
    changed = {
        "drop": content[:at] + content[at + 1 :],
        "insert": content[:at] + b',;\n"\t \xff\x00\r'[number % 9 : number % 9 + 1] + content[at:],
        "cut": content[:at],
        "quote": content[:at] + b'"' + content[at:],
        "double": b"".join([*lines[: line + 1], *lines[line:]]),
        "swap": b"".join([*lines[line:], *lines[:line]]),
    }
    return changed[kind]


def strictly(content: bytes, delimiter: str) -> list[list[str]] | None:
    """The rows as Python's strict reader gives them; None where it refuses, or they differ in length."""
    try:
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
        rows = [
            row
            for row in csv.reader(text, delimiter=delimiter, strict=True)
            if row and (row[0].strip() or len(row) > 1 or not row[0])
        ]
    except (UnicodeDecodeError, csv.Error):
        return None
    rows = [row for row in rows if len(row) > 1 or row[0].strip() or not row[0]]  # a line of blanks is blank
    return rows if rows and len({len(row) for row in rows}) == 1 else None


def same(cell: Any, text: str) -> bool:
    """Whether a cell that was read is what the text says."""
    if cell is None or cell != cell:
        return not text.strip()
    if isinstance(cell, str):
        return cell == text
    expected = pd.to_numeric(pd.Series([text.strip().replace(",", ".")]), errors="coerce")[0]
    return bool(expected == cell)


def outcome(content: bytes, delimiter: str) -> str:
    """``read`` or ``refused``; fails where the answer is neither what a strict reader gives nor a rule's refusal."""
    path = Path("fuzz.csv")
    path.write_bytes(content)
    expected = strictly(content, delimiter)
    try:
        with collecting() as found:
            frame = open_table(path, True, delimiter).frame
    except DataError as error:
        refused = str(error)
    else:
        refused = ""
    if "the table seems to begin" in refused:  # only where line 1 could not name the columns
        with pytest.raises(DataError) as caught:
            open_table(path, 1, delimiter)
        refused = str(caught.value)
    if refused:
        assert "\n" not in refused
        assert refused.startswith("fuzz.csv")
        assert expected is None or any(rule in refused for rule in REFUSED_BY_RULE), f"{refused}: {content!r}"
        return "refused"
    if expected is None:
        kinds = {notice.kind for notice in found}  # an empty column may have no name at the end of the first line
        assert kinds & {"encoding", "empty_column"}, f"{content!r}"
        return "read"
    header, *rows = expected
    dropped = [n for n, name in enumerate(header) if not name.strip() and n in (0, len(header) - 1)]
    kept = [n for n in range(len(header)) if n not in dropped or len(frame.columns) == len(header)]
    assert len(frame) == len(rows), content
    for (_, cells), row in zip(frame.iterrows(), rows, strict=True):
        wanted = [row[n] for n in kept[-len(cells) :]] if len(cells) < len(header) else row
        assert all(map(same, cells, wanted)), (content, list(cells), wanted)
    return "read"


def test_damaged_tables_are_read_as_a_strict_reader_does_or_refused() -> None:
    counts = {"read": 0, "refused": 0}

    @settings(FEW, max_examples=COUNT)
    @given(tables())
    @example((b"\t", "\t"))
    def tried(table: tuple[bytes, str]) -> None:
        counts[outcome(*table)] += 1

    tried()
    assert counts["read"] > counts["refused"] / 2 > 0, counts
    print(f"{counts['read']} of {sum(counts.values())} tables were read")
