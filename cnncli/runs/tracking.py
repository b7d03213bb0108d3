"""What a run writes down: one JSON line an epoch, and TensorBoard. Never read back by training.

In TensorBoard the training curve, the validation curve and the baseline share a chart: three sub-runs, ``train``,
``val`` and ``baseline``, write the same tags. Learning rate, speed, samples and hyperparameters stand in the run.
"""

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from cnncli.config.sections import Config
from cnncli.core.files import write_text
from cnncli.runs.history import Record, read_history
from cnncli.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch.utils.tensorboard import SummaryWriter

_OPERATIONAL = {"dataset.memory", "dataset.cache", "dataset.workers", "dataset.eval_batch_size"}


class Tracker:
    """Writes the history of one run; a logger that fails is dropped with a warning and costs nothing else."""

    def __init__(self, run: RunFolder, config: Config, last: Record) -> None:
        """``last`` is the record of the last finished epoch, empty for a new run."""
        finished_epochs = int(last.get("epoch", 0))
        self.run, self.config = run, config
        self.lines = read_history(run, finished_epochs)
        if last and (not self.lines or self.lines[-1]["epoch"] < finished_epochs):
            self.lines.append(last)  # the process died between the checkpoint and the history
        self._writers: dict[str, SummaryWriter] = {}
        self._on = config.logging.tensorboard
        self._guarded(lambda: self._open(finished_epochs))

    def epoch(self, record: Record) -> None:
        """Write the record of a finished epoch.

        Raises ``StorageError`` when metrics.jsonl cannot be written: it is part of the result.
        """
        self.lines.append(record)
        write_text(self.run.metrics, "".join(json.dumps(line) + "\n" for line in self.lines))
        self._guarded(lambda: self._write_epoch(record))

    def samples(self, image: "Image") -> None:
        """A picture of training samples."""
        self._guarded(lambda: self._writers[""].add_image("samples", np.asarray(image), 0, dataformats="HWC"))

    def final(self, metrics: dict[str, dict[str, float]]) -> None:
        """The final metrics of each split, as scalars and in the HParams tab."""
        values = {
            f"final/{split}_{name}": value
            for split, of_split in metrics.items()
            for name, value in of_split.items()
            if name != "n"
        }
        self._guarded(lambda: self._write_final(values))

    def close(self) -> None:
        """Flush and close the event files."""
        self._guarded(self._close)

    def _open(self, finished_epochs: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        for name in ("", "train", "val", "baseline"):
            # events of epochs that a resumed run does again are dropped
            purge = finished_epochs + 1 if finished_epochs else None
            self._writers[name] = SummaryWriter(str(self.run.path / name), purge_step=purge)
        self._write_session(start=True)

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close()

    def _write_epoch(self, record: Record) -> None:
        epoch = int(record["epoch"])
        for key, value in record.items():
            if key in ("epoch", "global_step"):
                continue
            split, _, tag = key.rpartition("/")
            self._writers[split].add_scalar(tag, value, epoch)
        for writer in self._writers.values():
            writer.flush()

    def _write_final(self, values: dict[str, float]) -> None:
        for tag, value in values.items():
            self._writers[""].add_scalar(tag, value, len(self.lines))
        self._write_session(start=False)

    def _write_session(self, *, start: bool) -> None:
        """Say to the HParams tab that this run begins with its hyperparameters, or that it has ended.

        SummaryWriter.add_hparams would make a run of its own beside this one. The summary of the whole experiment
        is left out: TensorBoard then gathers it from all runs, so that runs of different networks can be compared.
        """
        from torch.utils.tensorboard.summary import hparams

        _, begin, end = hparams(hyperparameters(self.config), {})
        self._writers[""]._get_file_writer().add_summary(begin if start else end)

    def _guarded(self, write: Callable[[], None]) -> None:
        if not self._on:
            return
        try:
            write()
        except (OSError, RuntimeError, ValueError) as error:
            self._on = False
            print(f"warning: TensorBoard's files cannot be written ({error}); training goes on", file=sys.stderr)


def hyperparameters(config: Config) -> dict[str, bool | int | float | str]:
    """The config as flat ``section.key`` values that TensorBoard's HParams tab can show and sort by."""
    flat: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                walk(f"{prefix}.{key}" if prefix else key, item)
        elif value is not None and value != [] and value != "":
            flat[prefix] = value if isinstance(value, bool | int | float | str) else json.dumps(value)

    sections = {"seed", "precision", "dataset", "model", "task", "loss", "optimizer", "scheduler", "train"}
    walk("", config.model_dump(mode="json", include=sections))
    # these change no result, and would crowd out those that do
    return {key: value for key, value in flat.items() if key not in _OPERATIONAL}
