"""A run in TensorBoard: one entry, whose tabs hold what ``logging`` asks for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cnncli.runs.event_files import BY_STEP, keep_events
from cnncli.runs.history import Record
from cnncli.runs.loggers import RunStart
from cnncli.runs.sample_picture import Pixels

BINS = 40  # of a histogram
CARD = 350  # pixels of a picture's width in the tab Images, which shrinks wider ones without smoothing
THRESHOLDS = 101  # of a precision-recall curve
_TAGS = {
    "lr": "train/lr",
    "train_seconds": "train/seconds",
    "samples_per_second": "train/samples_per_second",
    "eval_seconds": "val/seconds",
}
_NO_SCALARS = ("epoch", "best_epoch", "global_step")


@dataclass(frozen=True)
class Node:
    """An operation of a network: its name (``/`` between modules), what it does, where its inputs come from."""

    name: str
    operation: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...] | None = None


class Board:
    """Writes the event files of one run, all in its folder."""

    def __init__(self, run: RunStart, /) -> None:
        from torch.utils.tensorboard import SummaryWriter

        if run.step:
            keep_events(run.folder, run.epoch, run.step)
        self.folder, self.settings = run.folder, run.settings
        self._writer = SummaryWriter(str(run.folder))
        self._laid_out = False
        self._write_session(start=True)

    def log(self, record: Record, step: int) -> None:
        """The metrics of an epoch over epochs, of a step over steps, and the final ones at the best epoch."""
        at = int(record.get("epoch", record.get("best_epoch", step)))
        if "epoch" in record and not self._laid_out:
            self._laid_out = True
            self._writer.add_custom_scalars(layout(record))
        for tag, value in tagged(record).items():
            self._writer.add_scalar(tag, value, at)
        if "best_epoch" in record:
            self._write_session(start=False)
        if not any(key.startswith(BY_STEP) for key in record):
            self._writer.flush()

    def image(self, tag: str, image: Pixels, step: int) -> None:
        """A picture, uint8 ``[H, W, 3]``; of one wider than ``CARD``, a smaller copy whose letters can be read."""
        if image.shape[1] > CARD:
            from PIL import Image

            height = max(round(image.shape[0] * CARD / image.shape[1]), 1)
            image = np.asarray(Image.fromarray(image).resize((CARD, height), Image.Resampling.LANCZOS))
        self._writer.add_image(tag, image, step, dataformats="HWC")

    def histogram(self, tag: str, values: npt.NDArray[np.float32], step: int) -> None:
        """How often values occur; those that are no numbers are left out."""
        values = values[np.isfinite(values)].astype(np.float64)
        if not len(values):
            return
        counts, edges = np.histogram(values, BINS)
        self._writer.add_histogram_raw(
            tag, values.min(), values.max(), len(values), values.sum(), (values**2).sum(),
            edges[1:].tolist(), counts.tolist(), step,
        )  # fmt: skip

    def pr_curve(
        self, tag: str, probabilities: npt.NDArray[np.float32], true: npt.NDArray[np.bool_], step: int
    ) -> None:
        """Precision over recall of saying so from each probability on; both ``[N]``."""
        self._writer.add_pr_curve(tag, true.astype(np.int64), probabilities, step, num_thresholds=THRESHOLDS)

    def graph(self, nodes: Sequence[Node]) -> None:
        """What a network computes."""
        from tensorboard.compat.proto.attr_value_pb2 import AttrValue
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.graph_pb2 import GraphDef
        from tensorboard.compat.proto.node_def_pb2 import NodeDef
        from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
        from tensorboard.compat.proto.versions_pb2 import VersionDef

        def drawn(node: Node) -> NodeDef:
            dims = [TensorShapeProto.Dim(size=size) for size in node.shape or ()]
            shapes = AttrValue.ListValue(shape=[TensorShapeProto(dim=dims)])
            attributes = {} if node.shape is None else {"_output_shapes": AttrValue(list=shapes)}
            return NodeDef(name=node.name, op=node.operation, input=node.inputs, attr=attributes)

        graph = GraphDef(node=[drawn(node) for node in nodes], versions=VersionDef(producer=22))
        self._writer._get_file_writer().add_event(Event(graph_def=graph.SerializeToString()))

    def close(self) -> None:
        """Flush and close the event file."""
        self._writer.close()

    def _write_session(self, *, start: bool) -> None:
        """Say to the HParams tab that this run begins with its settings, or that it has ended.

        SummaryWriter.add_hparams would make a run of its own beside this one. The summary of the whole experiment is
        left out: TensorBoard takes that of any one run for all; without one it gathers the columns from all runs, and
        shows first those in which they differ. Text, as it shows numbers with five digits: a seed of 0.0000.
        """
        from torch.utils.tensorboard.summary import hparams

        _, begin, end = hparams(dict(self.settings), {})
        self._writer._get_file_writer().add_summary(begin if start else end)


def tagged(record: Record) -> dict[str, float]:
    """The scalars of a record by their tags.

    TensorBoard opens the first three groups of tags, in the order of the alphabet: these are ``final``, ``train`` and
    ``val``; those of pictures and histograms come after them. HParams shows five metrics, the first in the alphabet:
    those of the headline have numbers in front.
    """
    final = [key for key in record if key.startswith("final/")]
    headline = final[0].rpartition("/")[2] if final else ""
    found: dict[str, float] = {}
    for key, value in record.items():
        if key in _NO_SCALARS:
            continue
        tag = _TAGS.get(key, f"val/{key}" if key.startswith("baseline/") else key)
        if key in final:
            split, _, name = key.removeprefix("final/").rpartition("/")
            place = f"{len(found) + 1}_" if name == headline else ""
            tag = f"final/{place}{split}_{name}"
        found[tag] = value
    return found


def layout(record: Record) -> dict[str, dict[str, tuple[str, list[str]]]]:
    """The Custom Scalars tab: of each metric training and validation in one chart, validation and baseline in another.

    A baseline is often far from both, and the three in one chart would make of the other two one line.
    """
    tags = tagged(record)
    names = [name for name in dict.fromkeys(tag.rpartition("/")[2] for tag in tags) if name != "seconds"]
    pairs = {"training and validation": ("train", "val"), "validation and baseline": ("val", "val/baseline")}
    charts: dict[str, dict[str, tuple[str, list[str]]]] = {
        title: {
            name: ("Multiline", [f"^{first}/{name}$", f"^{second}/{name}$"])
            for name in names
            if f"{first}/{name}" in tags and f"{second}/{name}" in tags
        }
        for title, (first, second) in pairs.items()
    }
    return {title: found for title, found in charts.items() if found}
