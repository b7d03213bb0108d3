"""What a page shows of the data themselves and of the network at work: needs both, and does without where it must."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from cnncli.core.columns import Column
from cnncli.core.errors import CnncliError, one_line
from cnncli.core.metrics import format_metric
from cnncli.core.results import Block, MistakesBlock, TableBlock
from cnncli.data import DataBundle
from cnncli.inference.evaluate import own_data
from cnncli.inference.generate import generate, text_of
from cnncli.inference.predictor import Predictor, load_predictor
from cnncli.insight.explain_rows import importance
from cnncli.report.derived import hardest
from cnncli.report.mistakes import mistakes_gallery
from cnncli.report.parts import SPLITS, Card, Gallery, Listing, Part, Sheet
from cnncli.report.thumbnails import thumbnail
from cnncli.report.told import Told
from cnncli.scoring.slices import by_slices
from cnncli.training.display import Display
from cnncli.training.pictures import are_pictures

PASSAGES = 5
WRITTEN, TEMPERATURES = 300, (0.5, 1.0)  # characters of a sample, and how boldly they are drawn
LONGEST = 160  # characters of a cause that is told whole, with what to do
MOST_COLUMNS, REPEATS = 100, 5  # that are shuffled, and how often
COLUMNS = 4  # of a table that are taken for slices without being asked for


@dataclass(frozen=True)
class Looked:
    """What was found; ``notes`` say what could not be looked at, and why."""

    mistakes: Gallery | None = None
    texts: tuple[Part, ...] = ()
    slices: tuple[TableBlock, ...] = ()
    worth: tuple[Part, ...] = ()
    data: tuple[Part, ...] = ()
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Wish:
    """What a page is to show: ``pictures`` (or anything that was in the data), slices ``by`` columns.

    ``thorough``: also what takes a pass over the data: the nearest training pictures, and what each column is worth.
    """

    pictures: bool = True
    thorough: bool = False
    by: tuple[str, ...] = ()
    plugins: tuple[Path, ...] = ()


def look(told: Told, blocks: Sequence[Block], wish: Wish, display: Display) -> Looked:
    """Load the network and its data, and look at both, of the ``blocks`` of its page at the mistakes.

    Raises ``CnncliError`` only for what was asked for by name: a column that is not there.
    """
    try:
        predictor = load_predictor(told.run.best, ["device=cpu"], wish.plugins)
        data = own_data(predictor, display)
    except CnncliError as error:
        cause = one_line(str(error))
        cause = cause if len(cause) <= LONGEST else cause.split("; ", 1)[0]
        missing = f"The network or its data are not at hand, so that no samples are shown: {cause}."
        return Looked(notes=(missing,), data=_samples(told, wish))
    return Looked(
        mistakes=_mistakes(told, blocks, wish, predictor, data, display),
        texts=tuple(_texts(told, predictor, data)) if wish.pictures else (),
        slices=tuple(_slices(told, wish, data)),
        worth=tuple(_worth(predictor, data, display)) if wish.thorough and _has_columns(data) else (),
        data=_samples(told, wish),
    )


def _samples(told: Told, wish: Wish) -> tuple[Part, ...]:
    """The picture of training samples that the run has drawn."""
    if not wish.pictures or not told.run.samples.is_file():
        return ()
    with Image.open(told.run.samples) as image:
        pixels = np.asarray(image.convert("RGB"))
    shown = thumbnail(pixels, "nine training samples with their labels", longest=600)
    return (Gallery("Training samples, as the network sees them", (Card((shown,), ()),)),)


def _mistakes(
    told: Told, blocks: Sequence[Block], wish: Wish, predictor: Predictor, data: DataBundle, display: Display
) -> Gallery | None:
    if not wish.pictures or not are_pictures(data):
        return None
    block = next((block for block in blocks if isinstance(block, MistakesBlock) and block.mistakes), None)
    return None if block is None else mistakes_gallery(block, told, predictor, data, wish.thorough, display)


def _texts(told: Told, predictor: Predictor, data: DataBundle) -> list[Part]:
    """What the network writes, and the passages that it finds hardest."""
    if not data.spec.kind.every_position:
        return []
    text = text_of(predictor)
    parts: list[Part] = []
    for temperature in TEMPERATURES:
        written = "".join(islice(generate(predictor, "", WRITTEN, temperature, top_k=None), WRITTEN))
        parts.append(Listing(f"Written by the network, temperature {temperature}", written))
    source = data.sources[told.result.report.split]
    for place, loss in hardest(told.outputs, PASSAGES) if told.outputs is not None else []:
        if place < len(source):
            passage = "".join(text.vocabulary[number] for number in source[place].tolist())
            name = format_metric("loss", loss)
            parts.append(Listing(f"A hard passage, {name} nats per character", passage))
    return parts


def _slices(told: Told, wish: Wish, data: DataBundle) -> list[TableBlock]:
    """Slices by the columns that were asked for, else by the first columns of categories."""
    outputs, report = told.outputs, told.result.report
    if outputs is None or (data.slicing is None and not wish.by):
        return []
    found = []
    for by in wish.by or (_categories(data) if wish.pictures else ()):
        slices = data.slices(report.split, by)
        if len(slices.index) == len(outputs.ids):
            found.append(by_slices(outputs, slices, report.headline, report.metrics))
    return found


def _has_columns(data: DataBundle) -> bool:
    """Whether the network's inputs have names that people know; of one column there is nothing to compare."""
    return 1 < len(getattr(data.spec.preprocess, "columns", ())) <= MOST_COLUMNS


def _worth(predictor: Predictor, data: DataBundle, display: Display) -> list[Part]:
    """How much worse the network becomes where a column is shuffled."""
    predictor.task.fit(data.sources["train"].targets)
    found = importance(predictor, data, REPEATS, display)
    change = "rise" if found.lower_is_better else "fall"
    metric = found.metric.replace("_", " ")
    rows = tuple(
        (each.name, f"{each.mean:.4f} ± {each.deviation:.4f}", f"{each.loss_mean:.4f} ± {each.loss_deviation:.4f}")
        for each in found.columns
    )
    title = f"Permutation importance on {found.samples:,} {SPLITS[found.split]} samples"
    notes = (
        f"Each column was shuffled {found.repeats} times: mean and standard deviation (Breiman 2001).",
        *found.warnings(),
    )
    return [Sheet(title, ("column", f"{change} of {metric}", "rise of loss"), rows, notes=notes)]


def _categories(data: DataBundle) -> Sequence[str]:
    columns = getattr(data.spec.preprocess, "columns", ())  # only a table's are more than names
    return [each.name for each in columns if isinstance(each, Column) and each.categories is not None][:COLUMNS]
