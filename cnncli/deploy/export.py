"""A checkpoint as a file that other programs run: written, compared with the checkpoint, and only then kept."""

import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from cnncli.core.errors import CheckpointError, ConfigError
from cnncli.data import DataBundle
from cnncli.deploy.card import write_card
from cnncli.deploy.description import NAME, Description, describe
from cnncli.deploy.folder import becoming, check_place
from cnncli.deploy.formats import FORMATS, Wish, as_json, described, open_as, running, with_description
from cnncli.deploy.graph import Graph, Remembering, graph_of
from cnncli.deploy.judge import judged, loss_of
from cnncli.deploy.page.files import write_page
from cnncli.deploy.parity import LIMIT, SIZES, Parity, Run, compare, require_parity
from cnncli.deploy.quantize import check_quantizable, quantize
from cnncli.deploy.samples import MOST, parity_split, real_samples
from cnncli.inference.evaluate import at_home
from cnncli.inference.predictor import Predictor
from cnncli.training.display import Display

Kind = Literal["onnx", "pt2", "safetensors", "web"]


@dataclass(frozen=True)
class Request:
    """What to export: the form, where to, and how; ``max_loss`` in points of the headline metric, for ``int8``."""

    format: Kind = "onnx"
    out: Path = Path("exported")
    wish: Wish = field(default_factory=Wish)
    int8: bool = False
    max_loss: float = 1.0
    samples: int = MOST  # that answers are compared on, at most


@dataclass(frozen=True)
class Loss:
    """What 8 bits cost: the headline metric on a split before and after."""

    metric: str
    split: str
    before: float
    after: float
    points: float

    def __str__(self) -> str:
        return f"{self.metric} on {self.split} {self.before:.4f} before, {self.after:.4f} in 8 bits"


@dataclass(frozen=True)
class Export:
    """What was written, how far it is from its checkpoint, and what 8 bits cost."""

    folder: Path
    file: Path
    bytes: int
    parity: Parity
    loss: Loss | None
    notes: tuple[str, ...] = ()
    page: bool = False

    def to_json(self) -> dict[str, Any]:
        """The keys that docs/json.md lists."""
        found: dict[str, Any] = {
            "folder": str(self.folder), "file": str(self.file), "bytes": self.bytes,
            "difference": self.parity.largest, "differences": self.parity.differences,
            "samples": list(self.parity.samples),
        }  # fmt: skip
        return found if self.loss is None else {**found, "int8": vars(self.loss)}


def export(predictor: Predictor, request: Request, display: Display) -> Export:
    """Write an export. Raises ``CheckpointError`` where its answers are not those of the checkpoint, ``ConfigError``
    for a network that PyTorch cannot write so, ``DataError`` where there are no data to compare on; nothing is left
    behind then.
    """
    check_place(request.out)
    graph = graph_of(predictor)
    _check(predictor, graph, request)
    description = describe(predictor, graph, request.wish.dynamic_batch)
    samples = real_samples(predictor, display, request.samples)
    kind = FORMATS["onnx" if request.format == "web" else request.format]
    with becoming(request.out) as folder:
        path = folder / kind.file
        kind.write(graph, description, path, request.wish)
        run = open_as(path, description, graph)
        parity = compare(run, samples, predictor.spec, _sizes(description))
        require_parity(parity, kind.file)
        loss = None
        if request.int8:
            description = replace(description, precision="int8")
            loss = _in_eight_bits(path, description, predictor, request, display)
            parity = compare(open_as(path, description, None), samples, predictor.spec, _sizes(description))
        (folder / NAME).write_text(as_json(description) + "\n", encoding="utf-8")
        write_card(predictor.path, folder)
        if request.format == "web":
            write_page(folder)
        size = path.stat().st_size
    return Export(request.out, request.out / kind.file, size, parity, loss, page=request.format == "web")


def _check(predictor: Predictor, graph: Graph, request: Request) -> None:
    if request.int8:
        check_quantizable(predictor, request.format)
    if isinstance(graph, Remembering) and request.format == "pt2":
        raise ConfigError(
            f"{predictor.path}: as pt2 its {predictor.config.model.name} would be frozen at one length of text; "
            "use --format onnx"
        )


def _in_eight_bits(
    path: Path, description: Description, predictor: Predictor, request: Request, display: Display
) -> Loss:
    """Replace the file by one in 8 bits; raises ``CheckpointError`` where that costs more than is allowed."""
    data, _ = at_home(predictor, display, "export")
    small = path.with_name("int8.onnx")
    quantize(path, small, predictor, data)
    with_description(small, description)
    before, after = open_as(path, description, None), open_as(small, description, None)
    loss = _lost(before, after, description, predictor, data)
    _require_little(loss, request.max_loss, "int8")
    shutil.move(small, path)
    return loss


def _sizes(description: Description) -> tuple[int, ...]:
    return SIZES if description.any_batch else (1,)


def _require_little(loss: Loss, most: float, name: str) -> None:
    if loss.points > most:
        raise CheckpointError(f"{name}: {loss}: {loss.points:.2f} points are lost, and {most:g} are allowed; raise "
                              "--max-loss, or export without --quantize")  # fmt: skip


def _lost(before: Run, after: Run, description: Description, predictor: Predictor, data: DataBundle) -> Loss:
    """What ``after`` loses on validation; both take batches as the description says."""
    split, batch = parity_split(data), 64 if description.any_batch else 1
    predictor.task.fit(data.sources["train"].targets)
    first, second = (judged(run, predictor, data, split, batch) for run in (before, after))
    name = predictor.task.headline
    return Loss(name, split, first[name], second[name], loss_of(first, second, predictor))


def verify(predictor: Predictor, file: Path, display: Display, max_loss: float = 1.0) -> Export:
    """Compare a file made earlier with its checkpoint.

    Raises ``CheckpointError`` naming what differs: a word of the description, or the answers.
    """
    found = described(file)
    graph = graph_of(predictor)
    own = describe(predictor, graph, found.any_batch)
    there, here = (json.loads(as_json(each)) for each in (found, own))
    for name in here:
        if name not in ("format", "cnncli", "checkpoint", "run", "precision") and there[name] != here[name]:
            raise CheckpointError(f"{file}: '{name}' in its description differs from {predictor.path}; export it again")
    run = open_as(file, found, graph)
    parity, loss = compare(run, real_samples(predictor, display), predictor.spec, _sizes(found)), None
    if found.precision == "int8":
        data, _ = at_home(predictor, display, "export")
        loss = _lost(running(graph, own), run, found, predictor, data)
        _require_little(loss, max_loss, str(file))
    else:
        require_parity(parity, str(file), LIMIT)
    other = found.checkpoint.sha256 != own.checkpoint.sha256
    notes = (f"{file} was made from another file than {predictor.path}, and gives the same answers",) if other else ()
    return Export(file.parent, file, file.stat().st_size, parity, loss, notes)
