"""What a run writes down: one JSON line an epoch, and what loggers make of it. Never read back by training."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from cnncli.config.sections import Component, Config
from cnncli.config.settings import what_was_set
from cnncli.core.files import write_text
from cnncli.core.registry import loggers
from cnncli.core.results import Values
from cnncli.runs.history import Record, read_history
from cnncli.runs.loggers import Logger, Loggers, RunStart, warn_of
from cnncli.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from cnncli.runs.tensorboard import Board

TENSORBOARD = "TensorBoard's files"


class Tracker:
    """Writes the history of one run, and hands it to loggers; one that fails costs nothing but itself."""

    def __init__(self, run: RunFolder, config: Config, last: Record, step: int = 0) -> None:
        """``last`` is the record of the last finished epoch, empty for a new run; ``step`` the steps so far."""
        finished_epochs = int(last.get("epoch", 0))
        self.run, self.config = run, config
        self.lines = read_history(run, finished_epochs)
        if last and (not self.lines or self.lines[-1]["epoch"] < finished_epochs):
            self.lines.append(last)  # the process died between the checkpoint and the history
        self._step = step
        self._loggers, self._failed = Loggers(), set[str]()
        self._board: list[Board] = []
        self._begin(finished_epochs, step)

    def _begin(self, epoch: int, step: int) -> None:
        config = self.config
        name = f"{config.name}/{self.run.path.name}"
        start = RunStart(name, self.run.path, what_was_set(config), epoch, step)
        if config.logging.tensorboard:
            self._loggers.add(TENSORBOARD, lambda: self._opened(start))
        for component in config.logging.loggers:
            self._loggers.add(f"what the logger {component.name} keeps", _made(component, start))

    def _opened(self, start: RunStart) -> "Board":
        from cnncli.runs.tensorboard import Board

        self._board.append(Board(start))
        return self._board[0]

    @property
    def wants_steps(self) -> bool:
        """Whether anyone is told of single steps."""
        return self.config.logging.steps > 0 and bool(self._loggers)

    def epoch(self, record: Record) -> None:
        """Write the record of a finished epoch.

        Raises ``StorageError`` when metrics.jsonl cannot be written: it is part of the result.
        """
        self.lines.append(record)
        write_text(self.run.metrics, "".join(json.dumps(line) + "\n" for line in self.lines))
        self._step = int(record["global_step"])
        self._loggers.log(record, self._step)

    def steps(self, records: list[tuple[int, Values]]) -> None:
        """The records of single steps, each with its number (from 1)."""
        for step, record in records:
            self._loggers.log(record, step)

    def show(self, what: str, draw: Callable[["Board"], None]) -> None:
        """Let something be drawn in TensorBoard; what cannot be drawn is a warning, once."""
        if TENSORBOARD not in self._loggers or what in self._failed:
            return
        try:
            draw(self._board[0])
        except Exception as error:  # any network and any data can come here, and no run is lost for a picture
            self._failed.add(what)
            warn_of(f"TensorBoard's {what} cannot be drawn", error)

    def final(self, best_epoch: int, metrics: Mapping[str, Values], headline: str, baseline: Values) -> None:
        """The final metrics of each split, the ``headline`` first, and that of the strongest baseline."""
        by_split = {f"final/{split}/{name}": value for split in ("test", "val") if split in metrics
                    for name, value in metrics[split].items() if name != "n"}  # fmt: skip
        first = {key: value for key, value in by_split.items() if key.rpartition("/")[2] == headline}
        beside = {f"final/baseline/{headline}": baseline[headline]} if headline in baseline else {}
        record = {"best_epoch": float(best_epoch), **first, **beside, **by_split}
        self._loggers.log(record, self._step)

    def close(self) -> None:
        """Let all loggers end."""
        self._loggers.close()


def _made(component: Component, start: RunStart) -> Callable[[], Logger]:
    return lambda: loggers.build(component.name, start, **component.args)
