"""Runs as a table, and as JSON."""

from collections.abc import Callable, Sequence
from typing import Any

from rich.cells import cell_len

from cnncli.cli.console import print_json, print_table, say, tell, terminal_width
from cnncli.core.cells import shortened, widest_word
from cnncli.core.metrics import format_metric
from cnncli.core.run_ids import short_keys
from cnncli.runs.listing import STAMP, ListedRun
from cnncli.runs.rows import Row, Spread
from cnncli.runs.settings import SEED, written
from cnncli.runs.shown import Shown

WIDEST = 24  # columns of a value of the config
MANY = 8  # keys, beyond which only these are named in a row
MAX_CAUSES = 10

Cells = dict[str, list[str]]
"""The cells of each column by its heading."""


def print_runs(shown: Shown, as_json: bool) -> None:
    """One row a run; what went wrong is told below."""
    if as_json:
        print_json(_json(shown))
        return
    if not shown.rows:
        few = f"none of the {shown.total} runs in {shown.folder} fulfils this" if shown.total else "no run lies there"
        tell(f"{shown.folder}: {few}" if not shown.total else few)
        return
    width = terminal_width()
    before, settings, after = _before(shown, in_full=width is None), _settings(shown), _after(shown.rows)
    if width is None:
        columns = before | settings | after | {"cause": [_cause(row) for row in shown.rows]}
    else:
        columns = _in_terminal(before, settings, _spaced(after), width)
    words = [number for number, heading in enumerate(columns) if heading in (*before, "differs", "cause")]
    print_table("", list(columns), [list(row) for row in zip(*columns.values(), strict=True)], left=words)
    if width is not None:
        _tell_causes(shown.rows)


def _in_terminal(before: Cells, settings: Cells, after: Cells, width: int) -> Cells:
    """The columns of a table that a terminal has room for, if there is such a table."""
    whole = before | settings | after
    if len(settings) <= MANY and sum(max(map(cell_len, (head, *cells))) + 3 for head, cells in whole.items()) < width:
        return whole
    folded = before | _in_one(settings) | after
    brief = before | _in_one(settings, told=before["run"]) | after  # without what the runs are called by
    return brief if not _has_room(folded, width) and _has_room(brief, width) else folded


def _has_room(columns: Cells, width: int) -> bool:
    """Whether a table fits whose cells are folded between words."""
    least = [max(map(widest_word, (heading, *cells))) for heading, cells in columns.items()]
    return sum(least) + 2 * (len(least) - 1) <= width


def _spaced(columns: Cells) -> Cells:
    """Headings that can be folded: ``val accuracy``."""
    return {heading.replace("/", " ").replace("_", " "): cells for heading, cells in columns.items()}


def _before(shown: Shown, in_full: bool) -> Cells:
    """Which run it is, how it stands, and when it began, where its id does not say so."""
    names = {row.first.name for row in shown.rows}
    columns = {"run": [_called(row, len(names) > 1) for row in shown.rows], "state": list(map(_state, shown.rows))}
    if in_full or any(not row.first.path.name.startswith(f"{row.first.began:{STAMP}}") for row in shown.rows):
        columns["date"] = [f"{row.began:%Y-%m-%d %H:%M}" for row in shown.rows]
    return columns


def _called(row: Row, with_name: bool) -> str:
    """The name of a run as it can be typed; of several with a ``*`` for their seeds."""
    run = row.first
    called = run.path.name if not row.is_set else f"{run.path.name.removesuffix(str(run.seed))}*"
    if run.path.name == run.name.rpartition("/")[2]:  # without an id
        return run.name
    return f"{run.name}/{called}" if with_name else called


def _state(row: Row) -> str:
    run = row.first
    if row.is_set:
        return row.state if "," in row.state else f"{len(row.runs)} {row.state}"
    of = run.settings.get("train.epochs")
    return f"running {run.epochs}/{of}" if run.state == "running" and isinstance(of, int) else run.state


def _settings(shown: Shown) -> Cells:
    """A column for each key in which the configs differ; the monitored metric is shown anyway."""
    labels = short_keys(shown.differing)
    keys = [key for key in shown.differing if not key.startswith("checkpoint.")]
    return {labels[key]: [_setting(row, key) for row in shown.rows] for key in keys}


def _setting(row: Row, key: str) -> str:
    if key == SEED and row.is_set:
        return seeds_text(row.seeds)
    return shortened(written(row.first.settings[key]), WIDEST) if key in row.first.settings else ""


def seeds_text(seeds: Sequence[int]) -> str:
    """``0-4`` for seeds that follow one another, else each."""
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]}-{seeds[-1]}"
    return ", ".join(map(str, seeds))


def _in_one(settings: Cells, told: Sequence[str] = ()) -> Cells:
    """All keys in one column, as words that can be folded; those left out that are ``told`` in a run's id."""
    cells = []
    for number, row in enumerate(zip(*settings.values(), strict=True)):
        parts = set(told[number].split("-")) if told else set()
        pairs = [(label, value) for label, value in zip(settings, row, strict=True) if value]
        words = [f"{label}={value}" for label, value in pairs if not {value, f"{label}{value}", f"{label}*"} & parts]
        cells.append(" ".join([*words[:MANY], *(["…"] * (len(words) > MANY))]))
    return {"differs": cells} if any(cells) else {}


def _after(rows: Sequence[Row]) -> Cells:
    """The monitored metric, the headline beside its baseline, and the time."""
    columns = _metric(rows, "monitored", lambda run: run.outcome.monitor, lambda row: row.metric("metric"))
    headline = _metric(rows, "headline", _headline, lambda row: row.metric(_headline(row.first) or ""))
    columns |= {heading: cells for heading, cells in headline.items() if heading not in columns}
    if headline:
        columns["baseline"] = [
            "" if (value := row.baseline()) is None else _number(_headline(row.first) or "", value) for row in rows
        ]
    columns["time"] = [duration(row.seconds) for row in rows]
    return columns


def _metric(
    rows: Sequence[Row], heading: str, named: Callable[[ListedRun], str | None], found: Callable[[Row], Spread | None]
) -> Cells:
    """A metric of each run, its name in the heading where it is the same of all; nothing where no run has one."""
    names = {name for row in rows if (name := named(row.first)) is not None and found(row) is not None}
    if not names:
        return {}
    cells = []
    for row in rows:
        name, value = named(row.first), found(row)
        text = "" if name is None or value is None else spread_text(name, value)
        cells.append(text if len(names) == 1 or not text else f"{name} {text}")
    return {(names.pop() if len(names) == 1 else heading): cells}


def _headline(run: ListedRun) -> str | None:
    return None if run.outcome.headline is None else f"{run.outcome.split}/{run.outcome.headline}"


def _number(name: str, value: float) -> str:
    return format_metric(name.rpartition("/")[2], value)


def spread_text(name: str, found: Spread) -> str:
    """``94.99 ± 0.35 %`` of several runs, ``94.99 %`` of one."""
    mean = _number(name, found.mean)
    if found.deviation is None:
        return mean
    unit = " %" if mean.endswith(" %") else ""
    return f"{mean.removesuffix(' %')} ± {_number(name, found.deviation).removesuffix(' %')}{unit}"


def duration(seconds: float | None) -> str:
    """``3.2 s``, ``4 min 5 s`` or ``2 h 30 min``."""
    if seconds is None:
        return ""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _cause(row: Row) -> str:
    return "; ".join(dict.fromkeys(run.cause for run in row.runs if run.cause))


def _tell_causes(rows: Sequence[Row]) -> None:
    """Why runs failed or cannot be read."""
    told = [run for row in rows for run in row.runs if run.cause and run.state in ("failed", "damaged")]
    for run in told[:MAX_CAUSES]:
        tell(f"{run.path}: {run.cause}")
    if len(told) > MAX_CAUSES:
        say(f"… and {len(told) - MAX_CAUSES:,} more (--json has all)")


def _json(shown: Shown) -> dict[str, Any]:
    runs = [_run_json(run) for row in shown.rows for run in row.runs]
    sets = [_set_json(row) for row in shown.rows if row.is_set]
    return {"folder": str(shown.folder), "differing": shown.differing, "runs": runs, "sets": sets}


def _run_json(run: ListedRun) -> dict[str, Any]:
    it = run.outcome
    monitor = None if it.monitor is None else {"metric": it.monitor, "mode": it.mode, "value": it.monitored}
    headline = {"metric": it.headline, "lower_is_better": it.lower_is_better, "value": it.reached}
    return {
        "path": str(run.path),
        "name": run.name,
        "state": run.state,
        "cause": run.cause,
        "began": run.began.isoformat(),
        "seconds": run.seconds,
        "epochs": run.epochs,
        "best_epoch": it.best_epoch,
        "config": run.settings,
        "monitor": monitor,
        "split": it.split,
        "headline": None if it.headline is None else headline,
        "baselines": [{"name": each.name, "value": each.value} for each in it.baselines],
        "metrics": it.metrics,
        "set": None if run.seeds is None else {"id": run.seeds.id, "seeds": list(run.seeds.seeds)},
    }


def _set_json(row: Row) -> dict[str, Any]:
    it = row.first.outcome
    metrics = dict.fromkeys(name for run in row.runs for name in run.outcome.metrics)
    found = {name: value for name in metrics if (value := row.metric(name)) is not None}
    return {
        "paths": [str(run.path) for run in row.runs],
        "seeds": row.seeds,
        "monitor": it.monitor,
        "split": it.split,
        "headline": it.headline,
        "metrics": {name: {"mean": v.mean, "std": v.deviation, "n": v.n} for name, v in found.items()},
    }
