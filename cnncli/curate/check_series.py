"""What is wrong with series, or worth a look: the lines of their file, and how their values run."""

from typing import Any

import numpy as np

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import DataError
from cnncli.core.notices import Notice, collecting
from cnncli.core.spec import Split, Wants
from cnncli.curate.check_series_file import look_at_file
from cnncli.curate.findings import Checked, Finding, arguments_of, some, try_open
from cnncli.curate.series_values import Run, look_at_run, short_time
from cnncli.data.contract import Track
from cnncli.data.places import build
from cnncli.data.series import SeriesData

Args = dict[str, Any]


def check_series(config: DatasetConfig, wants: Wants, track: Track) -> Checked:
    """The report on series as their config reads and splits them.

    Where the file is refused, it is read again with its gaps filled, so that everything is found at once.
    """
    checked = Checked("series")
    args = arguments_of(config)
    loosened: Args = {}
    if "gaps" in args:  # it is read from a file, whose lines tell more than what was made of them
        with collecting():  # building the data set tells it again
            for _ in track([0], 1, f"reading {args['path']}"):
                faults, notices, loosened = look_at_file(args)
        checked.faults += faults
        checked.notices += notices
    raw, told = _build(config, loosened, checked)
    if raw is not None:
        with collecting() as of_opening:
            _, refusal = try_open(raw, config, wants, track)
        if refusal:
            checked.add_refusal(refusal)
        _look(raw, config, checked, track)
        told += of_opening
    checked.add_told(told)
    return checked


def _build(config: DatasetConfig, loosened: Args, checked: Checked) -> tuple[SeriesData | None, list[Notice]]:
    """The series as the config has them, else read with fewer demands; the notices are those of the first try."""
    attempts = [{}, loosened, {**loosened, "gaps": "ignore"}, {**loosened, "time": False}] if loosened else [{}]
    told: list[Notice] = []
    for number, other in enumerate(attempts):
        with collecting() as found:
            try:
                raw: SeriesData = build(config, **other)
            except DataError as error:
                if number < 2:
                    checked.add_refusal(error)
                told = told or found
                continue
        return raw, [*told, *(each for each in found if not number)]
    return None, told


def _look(raw: SeriesData, config: DatasetConfig, checked: Checked, track: Track) -> None:
    """Fill the report with counts, and with what is seen of the values of each series."""
    parts: dict[Split, dict[str, int]] = {"train": {}, "val": {}, "test": {}}
    for stretch in track(raw.stretches, len(raw.stretches), "looking at series"):
        bounds = raw.bounds(stretch, config.val_fraction)
        for split, (begin, end) in bounds.items():
            if begin < end:
                parts[split][stretch.id or "steps"] = end - begin
        values = raw.values[stretch.begin : stretch.end]
        times = [short_time(raw.time_at(row)) for row in (stretch.begin, stretch.end - 1)] if len(values) else []
        checked.own.setdefault("from", times[0] if times and raw.times is not None else None)
        checked.own["to"] = times[1] if times and raw.times is not None else None
        for number, column in enumerate(raw.columns):
            run = Run(raw, stretch, column, values[:, number], bounds)
            faults, notices = look_at_run(run)
            checked.faults += faults
            checked.notices += notices
    checked.samples = len(raw.values)
    checked.splits = {split: counts for split, counts in parts.items() if counts}
    checked.totals = {split: sum(counts.values()) for split, counts in checked.splits.items()}
    checked.own |= {"series": len(raw.stretches), "columns": {"inputs": len(raw.columns), "targets": len(raw.targets)}}
    checked.notices += _copies(raw)


def _copies(raw: SeriesData) -> list[Finding]:
    """Columns that are equal at every step."""
    groups: dict[bytes, list[str]] = {}
    for number, column in enumerate(raw.columns):
        values = np.ascontiguousarray(raw.values[:, number])
        if len(values) and (values != values[0]).any():
            groups.setdefault(values.tobytes(), []).append(column)
    return [
        Finding("copy", f"{raw.name}: columns {some([repr(name) for name in names])} are equal at every step",
                column=names[1])
        for names in groups.values() if len(names) > 1
    ]  # fmt: skip
