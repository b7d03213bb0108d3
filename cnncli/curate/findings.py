"""What a check of data answers: counts, faults that must be fixed, and notices of what may be meant."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import DataError
from cnncli.core.notices import Notice
from cnncli.core.registry import datasets
from cnncli.core.spec import Wants
from cnncli.data.bundle import open_raw
from cnncli.data.contract import Opened, Raw, Track

MOST = 1000  # lines or paths of one finding
SHOWN = 5
UNBALANCED = 3.0  # times as many samples in the largest class as in the smallest


@dataclass(frozen=True)
class Finding:
    """Something about some of the data: ``kind`` is a word for programs, ``text`` a line for people.

    Of a file the first ``MOST`` ``lines`` are named, of a table or a series without a file the rows, counted from 1.
    """

    kind: str
    text: str
    paths: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    column: str = ""


@dataclass
class Checked:
    """The report on one data set: what it holds, by split, and what was found; ``own`` are counts of its kind."""

    kind: Literal["pictures", "rows", "series", "text"]
    samples: int = 0
    splits: dict[str, dict[str, int]] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)
    faults: list[Finding] = field(default_factory=list)
    notices: list[Finding] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The report as one object."""
        listed = {"faults": [asdict(each) for each in self.faults], "notices": [asdict(each) for each in self.notices]}
        return {"kind": self.kind, "samples": self.samples, "splits": self.splits, "totals": self.totals,
                **self.own, **listed}  # fmt: skip

    def add_refusal(self, error: DataError | str) -> None:
        """Add what opening the data said, unless a fault that was found names the same line and column."""
        text = str(error)
        place = re.search(r":(\d+): ", text)
        line = int(place[1]) if place else None
        if "a missing label" in text:  # then it is no class of one row
            self.faults = [each for each in self.faults if each.kind != "single_row" or line not in each.lines]
        same = [
            each for each in self.faults
            if each.text == text or (line in each.lines if line is not None else each.column and _names(text, each))
        ]  # fmt: skip
        if not same:
            self.faults.append(Finding("refused", text, lines=[] if line is None else [line]))

    def add_told(self, told: Iterable[Notice]) -> None:
        """Add the notices of reading and opening the data before those that were looked for, none twice."""
        known = {(each.kind, each.text) for each in self.notices}
        told = [each for each in told if (each.kind, each.text) not in known]
        kinds = {each.kind for each in told}
        others = [each for each in self.notices if each.kind not in kinds]
        self.notices = [*(Finding(each.kind, each.text) for each in told), *others]


def _names(text: str, finding: Finding) -> bool:
    return f"'{finding.column}'" in text


def some(values: Sequence[Any]) -> str:
    """The first of several in words."""
    return ", ".join(map(str, values[:SHOWN])) + (", …" if len(values) > SHOWN else "")


def at_lines(lines: Sequence[int]) -> str:
    """Where something is: ``line 3``, or ``lines 3, 8, …``."""
    return f"line{'s' if len(lines) > 1 else ''} {some(lines)}"


def count_of(count: int, what: str, verb: str | None = None) -> str:
    """``1 row is``, ``2 rows are``; or with another ``verb``, which may be nothing."""
    shown = f"{count:,} {what}{'' if count == 1 else 's'}"
    if verb is None:
        verb = "is" if count == 1 else "are"
    return f"{shown} {verb}"


def balance(counts: dict[str, int], what: str) -> list[Finding]:
    """A notice where the largest class has many times the samples of the smallest."""
    ratio = imbalance(counts)
    if ratio < UNBALANCED:
        return []
    text = f"the largest class has {ratio:.1f} times as many {what} as the smallest; set loss.class_weights: balanced"
    return [Finding("unbalanced", text)]


def imbalance(counts: dict[str, int]) -> float:
    """How many times as many samples the largest class has as the smallest; 1 without classes."""
    return max(counts.values()) / max(min(counts.values()), 1) if counts else 1.0


def try_open(raw: Raw, config: DatasetConfig, wants: Wants, track: Track) -> tuple[Opened | None, str]:
    """The data set opened, or what is wrong with it in one line."""
    try:
        return open_raw(raw, config, wants, track), ""
    except DataError as error:
        return None, str(error)


def arguments_of(config: DatasetConfig) -> dict[str, Any]:
    """The arguments of a data set, those left out with their defaults."""
    return datasets.get(config.name).check(config.args)
