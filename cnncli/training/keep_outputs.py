"""What the best weights answer to each sample of validation and test, written into the run after its result."""

from pathlib import Path

from cnncli.compute.interrupt import StopSignal
from cnncli.core.errors import one_line
from cnncli.core.notices import notice
from cnncli.core.printable import shell_word
from cnncli.core.spec import Split
from cnncli.runs.outputs import MOST, write_outputs
from cnncli.runs.run_folder import RunFolder
from cnncli.training.build import Experiment
from cnncli.training.display import Display
from cnncli.training.recorder import Recorder
from cnncli.training.report import evaluate_split

KEPT: tuple[Split, ...] = ("val", "test")


class KeptOutputs:
    """The kept outputs of a run: recorded where a split is judged anyway, else by one more look at validation."""

    def __init__(self, experiment: Experiment, run: RunFolder, display: Display) -> None:
        self.experiment, self.run, self.display = experiment, run, display
        self._recorded: dict[Split, Recorder] = {}

    def recorder(self, split: Split) -> Recorder | None:
        """What records the evaluation of a split with the best weights; None where nothing is to be kept of it."""
        if not self.experiment.config.logging.outputs or split not in KEPT:
            return None
        it = self.experiment
        return self._recorded.setdefault(split, Recorder(it.data, split, it.task, it.config.task.name))

    def judging(self, split: Split) -> Recorder:
        """What records the evaluation of a split for its report, whether it is kept or not."""
        it = self.experiment
        return self.recorder(split) or Recorder(it.data, split, it.task, it.config.task.name, to_keep=False)

    @property
    def lacking(self) -> bool:
        """Whether a finished run has no outputs of validation where it should; the same for all ranks."""
        it = self.experiment
        if not it.config.logging.outputs or "val" not in it.data.sources:
            return False
        return it.runtime.ranks.from_zero(lambda: not self.run.outputs("val").is_file())

    def write(self) -> None:
        """Write what was recorded, and what the best weights, which the network must have, answer to validation.

        All ranks call it; the first one writes. What fails is a warning.
        """
        for split in self._recorded:
            self._write(split)
        if "val" not in self._recorded and "val" in self.experiment.data.sources:
            recorder = self.recorder("val")
            if recorder is not None and self._look("val", recorder):
                self._write("val")

    def _look(self, split: Split, recorder: Recorder) -> bool:
        """Judge a split once more with the best weights; False where it was stopped."""
        it = self.experiment
        with StopSignal() as stop:
            model = it.state.eval_model
            meter = evaluate_split(model, it.data, split, it.task, it.runtime, self.display, stop, recorder)
        if meter is None and it.runtime.ranks.is_zero:
            tell_lost(self.run.outputs(split), "stopped", self.display)
        return meter is not None

    def _write(self, split: Split) -> None:
        if self.experiment.runtime.ranks.is_zero:
            keep(self._recorded[split], self.run.outputs(split), self.display)


def tell_lost(path: Path, cause: str, display: Display) -> None:
    """Warn that outputs are not there, and say what writes them."""
    again = f"cnncli eval {shell_word(path.parent.parent)} --split {path.stem}"
    display.warn(f"{path} was not written ({one_line(cause)}); {again} writes it")


def keep(recorder: Recorder, path: Path, display: Display) -> None:
    """Write what was recorded as far as it is not too large; what fails is a warning."""
    if recorder.fault:
        tell_lost(path, recorder.fault, display)
        return
    limit = f"more than {MOST // 2**20} MiB"
    try:
        outputs = None if recorder.too_large else recorder.outputs()
        if outputs is not None and outputs.size > MOST and outputs.embedding.size:
            recorder.unembedded = True
            outputs = recorder.outputs()
        if outputs is None or outputs.size > MOST:
            notice("outputs", f"{path} is left out: it would take {limit}")
            return
        if recorder.unembedded:
            notice("outputs", f"{path} has no embeddings: with them it would take {limit}")
        write_outputs(path, outputs)
    except Exception as error:  # whatever fails here, the result is there
        tell_lost(path, str(error).strip().split("\n", 1)[0] or type(error).__name__, display)
