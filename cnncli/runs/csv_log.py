"""The metrics of each epoch as a table."""

import csv
import io
import json

from cnncli.core.files import write_text
from cnncli.core.registry import loggers
from cnncli.runs.history import Record
from cnncli.runs.loggers import RunStart


@loggers.register("csv")
class CsvLog:
    """metrics.csv in the run's folder: a row for each epoch, a column for each metric."""

    def __init__(self, run: RunStart, /) -> None:
        self.path = run.folder / "metrics.csv"
        lines = (run.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines() if run.epoch else []
        self.rows: list[Record] = [row for row in map(json.loads, lines) if row["epoch"] <= run.epoch]

    def log(self, record: Record, step: int) -> None:
        """Write the table with another row."""
        if "epoch" not in record:
            return
        self.rows.append(record)
        table = io.StringIO()
        writer = csv.DictWriter(table, list(dict.fromkeys(name for row in self.rows for name in row)))
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, table.getvalue())

    def close(self) -> None:
        """Nothing is left to do."""
