"""cnncli's command line inside this process, for the benchmarks that measure something in it."""

import tempfile
from pathlib import Path

from benchmarks.side_by_side import Taken, read_run
from cnncli.cli import main as cnncli


def train(words: list[str]) -> tuple[list[Taken], Taken]:
    """``cnncli train WORDS`` in a temporary folder: the lines of its metrics.jsonl and its result."""
    with tempfile.TemporaryDirectory() as runs:
        try:
            cnncli(["train", *words, "--runs-dir", runs, "--name", "benchmark/run"])
        except SystemExit as ended:
            if ended.code:
                raise
        return read_run(Path(runs, "benchmark", "run"))
