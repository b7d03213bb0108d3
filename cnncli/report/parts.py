"""What a page consists of, as typed parts; the templates know how each type looks, and nothing else does."""

from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup

SPLITS = {"train": "training", "val": "validation", "test": "test"}  # in words
WIDE, LONG = 5, 40  # columns and characters of a table that fills a row


@dataclass(frozen=True)
class Prose:
    """Sentences, each a paragraph."""

    sentences: tuple[str, ...]
    type: Literal["prose"] = "prose"


@dataclass(frozen=True)
class Sheet:
    """A table whose first ``left`` columns hold words, the others numbers; people can sort it by each column."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1
    notes: tuple[str, ...] = ()
    type: Literal["sheet"] = "sheet"

    @property
    def wide(self) -> bool:
        """Whether it has too many columns, or too long words, to stand beside another part."""
        longest = max((len(cell) for row in self.rows for cell in row), default=0)
        return len(self.columns) > WIDE or longest > LONG


@dataclass(frozen=True)
class Drawing:
    """An inline SVG; a ``wide`` one fills a row, and is scrolled on a narrow screen."""

    title: str
    svg: Markup
    wide: bool = False
    note: str = ""
    type: Literal["drawing"] = "drawing"


@dataclass(frozen=True)
class Confusions:
    """Counts ``[K][K]``, row by true class, of which people can change the order; ``shades`` are shares of the row."""

    title: str
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    type: Literal["confusions"] = "confusions"

    @property
    def rows(self) -> list[tuple[int, str, list[tuple[int, int, float]]]]:
        """Each row's number, label and cells: column, count, and share of the row."""
        sums = [max(sum(row), 1) for row in self.counts]
        return [
            (i, label, [(j, count, round(count / sums[i], 3)) for j, count in enumerate(row)])
            for i, (label, row) in enumerate(zip(self.labels, self.counts, strict=True))
        ]


@dataclass(frozen=True)
class Picture:
    """A small inline picture, as a data URL, with what it shows in words."""

    source: str
    words: str


@dataclass(frozen=True)
class Card:
    """A sample: pictures, lines below them, and the training pictures that are most like it."""

    pictures: tuple[Picture, ...]
    lines: tuple[str, ...]
    nearest: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Gallery:
    """Samples side by side."""

    title: str
    cards: tuple[Card, ...]
    notes: tuple[str, ...] = ()
    type: Literal["gallery"] = "gallery"


@dataclass(frozen=True)
class Listing:
    """Text as it is: a config, commands, or what a network has written."""

    title: str
    text: str
    folded: bool = False
    type: Literal["listing"] = "listing"


Part = Prose | Sheet | Drawing | Confusions | Gallery | Listing


@dataclass(frozen=True)
class Section:
    """Parts under a heading; ``key`` is its place in the page."""

    key: str
    heading: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Figure:
    """The number that matters most: its name, its value, its interval, and what is beside it."""

    name: str
    value: str
    interval: str = ""


@dataclass(frozen=True)
class Page:
    """All of it."""

    title: str
    subtitle: str
    figure: Figure | None
    lead: tuple[str, ...]
    sections: tuple[Section, ...] = field(default=())
