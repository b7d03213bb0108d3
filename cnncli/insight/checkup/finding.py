"""What a checkup says: a line for each thing that is wrong, and what was measured where nothing is."""

from collections.abc import Sequence
from dataclasses import dataclass, field

SHOWN = 4


@dataclass(frozen=True)
class Finding:
    """``check`` is a word for programs; ``key`` is the config's, ``measured`` and ``advice`` are for people."""

    check: str
    key: str
    measured: str
    advice: str

    def __str__(self) -> str:
        return f"{self.key}: {self.measured}; {self.advice}"


@dataclass
class Checked:
    """What one check has measured in words, and its findings."""

    name: str
    measured: str = ""
    findings: list[Finding] = field(default_factory=list)

    def find(self, key: str, measured: str, advice: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(self.name, key, measured, advice))


def some(names: Sequence[str]) -> str:
    """The first of several names."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def number(value: float) -> str:
    """A measured number with the digits that are worth reading."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
