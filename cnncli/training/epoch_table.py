"""The line of an epoch: a table that fits the width of the terminal, or labelled numbers for a file."""

from collections.abc import Sequence
from dataclasses import dataclass

from cnncli.core.results import Values

GAP = "  "
BEST, BEST_SHORT = "* best", "*"
ROOMY = 60  # columns of a terminal from which on the best epoch is marked by a word
NUMBER, PER_CENT, RATE, SPEED, TIME = 6, 8, 8, 9, 6  # widths
TIME_KEY = "epoch time"  # of training and evaluation
FRACTIONS = ("accuracy", "balanced_accuracy")  # shown as per cent


@dataclass(frozen=True)
class Shown:
    """What a line tells of an epoch beside its number: metrics by their keys in the record, and the unit of speed."""

    epochs: int
    headline: str
    monitor: str
    unit: str

    @property
    def speed(self) -> str:
        """The key of the speed, which is that of training alone."""
        return f"train {self.unit}/s"

    def metrics(self, record: Values) -> list[str]:
        """Loss and headline of both splits, and what picks the best epoch."""
        names = [f"{split}/{name}" for split in ("train", "val") for name in ("loss", self.headline)]
        return [key for key in dict.fromkeys([*names, self.monitor]) if key in record]

    def texts(self, record: Values) -> dict[str, str]:
        """All that can be shown, from left to right, each text in its own width."""
        count = len(str(self.epochs))
        found = {"epoch": f"{int(record['epoch']):>{count}}/{self.epochs}"}
        for key in self.metrics(record):
            name = key.split("/")[1]
            width = PER_CENT if name in FRACTIONS else NUMBER
            found[key] = short_metric(name, record[key]).rjust(width)
        found[TIME_KEY] = clock(record["train_seconds"] + record["eval_seconds"], tenths=True).rjust(TIME)
        found["lr"] = f"{record['lr']:.3g}".rjust(RATE)
        found[self.speed] = _speed(record["samples_per_second"]).rjust(SPEED)
        return found

    def wanted(self, keys: Sequence[str]) -> list[str]:
        """The keys, the most important first."""
        first = ["epoch", self.monitor, f"val/{self.headline}", "val/loss", "train/loss", f"train/{self.headline}"]
        return [key for key in dict.fromkeys([*first, *keys]) if key in keys]


class EpochTable:
    """Rows below headings, in the same columns all through a run as long as the terminal keeps its width."""

    def __init__(self, shown: Shown) -> None:
        self.shown = shown
        self._headings: list[str] = []

    def row(self, record: Values, width: int) -> tuple[list[str], str, str]:
        """Headings where they are new, the row, and how the best epoch is marked: none wider than ``width``."""
        texts = self.shown.texts(record)
        mark = BEST if width >= ROOMY else BEST_SHORT
        widths = {key: max(len(text), _longest_word(key)) for key, text in texts.items()}
        chosen = _fitting(self.shown.wanted(list(texts)), widths, width - len(GAP + mark))
        columns = [key for key in texts if key in chosen]
        headings = _headings([(key, widths[key]) for key in columns])
        new, self._headings = headings if headings != self._headings else [], headings
        return new, GAP.join(texts[key].rjust(widths[key]) for key in columns), mark


def labelled(record: Values, shown: Shown) -> str:
    """A line that needs no headings: ``epoch 3/9  train loss 0.1234  accuracy  97.50 %  …``."""
    texts, metrics, speed = shown.texts(record), shown.metrics(record), shown.speed
    parts = [f"epoch {texts['epoch']}"]
    for before, key in zip(["", *metrics], metrics, strict=False):
        split, name = key.split("/")
        label = name if before.startswith(f"{split}/") else f"{split} {name}"
        parts.append(f"{label} {texts[key]}")
    parts += [f"lr {texts['lr']}", f"train {texts[speed]} {shown.unit}/s", f"epoch {texts[TIME_KEY]}"]
    return GAP.join(parts)


def _fitting(wanted: Sequence[str], widths: dict[str, int], room: int) -> set[str]:
    """Those of the keys that fit side by side, the first ones first."""
    chosen: set[str] = set()
    for key in wanted:
        needed = widths[key] + (len(GAP) if chosen else 0)
        if needed <= room:
            chosen.add(key)
            room -= needed
    return chosen


def _words(key: str) -> list[str]:
    """The words of a heading: ``val/macro_f1`` has three, ``images/s`` is one."""
    return key.replace("_", " ").split() if key.endswith("/s") else key.replace("_", " ").replace("/", " ").split()


def _longest_word(key: str) -> int:
    return max(map(len, _words(key)))


def _headings(columns: Sequence[tuple[str, int]]) -> list[str]:
    """The lines of the headings, each folded between its words, the last line of all directly above the numbers."""
    folded = []
    for key, width in columns:
        lines = [""]
        for word in _words(key):
            longer = f"{lines[-1]} {word}".strip()
            lines = [*lines[:-1], longer] if len(longer) <= width else [*lines, word]
        folded.append([line.rjust(width) for line in lines])
    height = max(map(len, folded))
    padded = [[" " * width] * (height - len(lines)) + lines for lines, (_, width) in zip(folded, columns, strict=True)]
    return [GAP.join(line).rstrip() for line in zip(*padded, strict=True)]


def short_metric(name: str, value: float) -> str:
    """A fraction as per cent, anything else with up to four decimals, as many as six signs hold."""
    if name in FRACTIONS:
        return f"{100 * value:.2f} %"
    for digits in range(4, -1, -1):
        text = f"{value:.{digits}f}"
        if len(text) <= NUMBER:
            return text
    return f"{value:.0e}"


def clock(seconds: float, tenths: bool = False) -> str:
    """``1.2 s`` (``0.04 s``) where ``tenths`` matter, ``12:34``, or ``1:02:34`` (``1h 02m``)."""
    if tenths and seconds < 0.095:
        return f"{seconds:.2f} s"
    if tenths and seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    if hours and tenths:
        return f"{hours}h {minute:02}m"
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _speed(samples: float) -> str:
    return f"{samples:,.0f}" if samples < 1e7 else f"{samples / 1e6:,.0f}M"
