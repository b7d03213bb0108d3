"""What a run has reached: from its result, or, while there is none, from its history."""

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cnncli.core.metrics import LOWER_IS_BETTER
from cnncli.runs.settings import Settings

_SECONDS = re.compile(rb'"(?:train|eval)_seconds": ([-+0-9.eE]+)')
_EPOCH = re.compile(rb'^\{"epoch": (\d+)', re.MULTILINE)


@dataclass(frozen=True)
class Baseline:
    """What needs no network, and the value of the headline that it reaches."""

    name: str
    value: float | None


@dataclass(frozen=True)
class Outcome:
    """``metrics`` are ``{"test/accuracy": 0.98, …}``; None is what is not known (yet).

    ``headline`` is the metric that is compared with the baselines' on ``split``; the baseline to beat is the first.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    monitor: str | None = None
    mode: Literal["max", "min"] = "max"
    monitored: float | None = None
    best_epoch: int | None = None
    epochs: int | None = None
    split: str | None = None
    headline: str | None = None
    lower_is_better: bool = False
    baselines: tuple[Baseline, ...] = ()

    @property
    def reached(self) -> float | None:
        """The headline on its split."""
        return self.metrics.get(f"{self.split}/{self.headline}")


NOTHING = Outcome()


@dataclass(frozen=True)
class Progress:
    """The history of a run: what is done, how long it took, and the file's text for those who need all of it."""

    epochs: int = 0
    seconds: float | None = None
    text: bytes = b""

    def outcome(self, settings: Settings) -> Outcome:
        """The best epoch so far; raises ``ValueError`` where a line is damaged."""
        monitor = settings.get("checkpoint.monitor")
        if not isinstance(monitor, str):
            return NOTHING
        chosen = settings.get("checkpoint.mode")
        mode: Literal["max", "min"] = chosen if chosen in ("max", "min") else _usual_mode(monitor)
        best: dict[str, float] = {}
        for line in self.text.splitlines():
            record = _numbers(json.loads(line))
            value = record.get(monitor)
            if value is None or math.isnan(value):
                continue
            if not best or (value > best[monitor] if mode == "max" else value < best[monitor]):
                best = record
        metrics = {key: value for key, value in best.items() if key.startswith(("train/", "val/"))}
        epoch = int(best["epoch"]) if "epoch" in best else None
        return Outcome(metrics, monitor, mode, best.get(monitor), epoch, self.epochs or None)


def _usual_mode(monitor: str) -> Literal["max", "min"]:
    return "min" if monitor.rpartition("/")[2] in LOWER_IS_BETTER else "max"


def read_progress(path: Path) -> Progress:
    """The history in a ``metrics.jsonl``, of which only what every run is asked for is looked at now."""
    text = path.read_bytes()
    epochs = _EPOCH.findall(text)
    if text.strip() and not epochs:
        raise ValueError("its lines are no records of epochs")
    seconds = [float(number) for number in _SECONDS.findall(text)]
    return Progress(int(epochs[-1]) if epochs else 0, sum(seconds) if seconds else None, text)


def read_outcome(path: Path) -> Outcome:
    """The outcome in a ``report.json`` or ``result.json``; raises ``ValueError`` where that is none."""
    found = _mapping(json.loads(path.read_bytes()))
    report = _mapping(found.get("report", found))
    monitored = _mapping(found.get("monitored", found.get("monitor", {})))
    by_split = _mapping(found.get("metrics"))
    metrics = {f"{split}/{name}": value for split, of in by_split.items() for name, value in _numbers(of).items()}
    headline, lower = report.get("headline"), report.get("lower_is_better")
    if isinstance(headline, dict):  # the form of result.json
        lower = headline.get("lower_is_better")
        headline = headline.get("metric")
    baselines = report.get("baselines", [report["baseline"]] if "baseline" in report else [])
    return Outcome(
        metrics=metrics,
        monitor=_text(monitored.get("metric")),
        mode="min" if monitored.get("mode") == "min" else "max",
        monitored=_number(monitored.get("value")),
        best_epoch=_whole(found.get("best_epoch")),
        epochs=_whole(found.get("epochs")),
        split=_text(report.get("split")),
        headline=_text(headline),
        lower_is_better=lower is True,
        baselines=tuple(_baseline(each, headline) for each in baselines) if isinstance(baselines, list) else (),
    )


def _baseline(found: Any, headline: Any) -> Baseline:
    one = _mapping(found)
    values = _mapping(one.get("metrics", one))
    always = one.get("always", one.get("class"))
    name = str(one.get("name"))
    return Baseline(name if always is None else f"{name} ({always})", _number(values.get(headline)))


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("it is no result of a run")
    return value


def _numbers(value: Any) -> dict[str, float]:
    """The metrics among values by name; result.json has the number of samples among them."""
    return {key: each for key, each in _mapping(value).items() if key != "n" and _number(each) is not None}


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
