"""What TensorBoard shows of a split's kept outputs: mistakes, confusion matrix, precision and recall, embeddings."""

from collections.abc import Mapping, Sequence
from itertools import compress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cnncli.core.files import write_atomically, write_text
from cnncli.core.results import MatrixBlock, Mistake, MistakesBlock
from cnncli.runs.fonts import lettering
from cnncli.runs.outputs import Outputs
from cnncli.runs.panels import Panel, panels_of
from cnncli.runs.sample_picture import Pixels
from cnncli.runs.tensorboard import CARD, Board

WORST = 12  # mistakes that are shown
MOST_CURVES = 20  # classes with a curve of their own: those whose samples have the lowest probability
HEIGHT, DPI = 400, 90  # pixels of a picture that is as wide as TensorBoard shows one
THUMBNAIL = 40  # pixels of a thumbnail's longer side
_FOLDER = "projector"
_HEADINGS = ("sample", "true", "predicted", "right", "loss", "id")


def said(outputs: Outputs) -> npt.NDArray[np.bool_] | None:
    """Which classes are said of each sample, ``[N, K]``; None where numbers or characters are predicted."""
    if outputs.answer.dtype.kind != "f" or not outputs.classes or outputs.target.dtype.kind == "f":
        return None
    shares = by_class(outputs)
    if shares is None:
        return None
    if outputs.target.dtype.kind == "b":
        several: npt.NDArray[np.bool_] = shares >= outputs.thresholds
        return several
    if outputs.positive is not None:
        place = outputs.classes.index(outputs.positive)
        is_positive = shares[:, place] >= outputs.thresholds[0]
        chosen = np.where(is_positive, place, 1 - place)
    else:
        chosen = shares.argmax(1)
    one: npt.NDArray[np.bool_] = chosen[:, None] == np.arange(len(outputs.classes))
    return one


def true(outputs: Outputs) -> npt.NDArray[np.bool_]:
    """The classes of each sample, ``[N, K]``."""
    if outputs.target.dtype.kind == "b":
        return outputs.target
    is_class: npt.NDArray[np.bool_] = outputs.target[:, None] == np.arange(len(outputs.classes))
    return is_class


def by_class(outputs: Outputs) -> npt.NDArray[np.float32] | None:
    """The probability of each class, ``[N, K]``; None where there are none."""
    if outputs.answer.ndim == 1 and outputs.positive is not None:
        positive = outputs.answer[:, None]
        both = [positive, 1 - positive] if outputs.classes[0] == outputs.positive else [1 - positive, positive]
        return np.concatenate(both, 1)
    fits = outputs.answer.ndim == 2 and outputs.answer.shape[1] == len(outputs.classes)
    return outputs.answer if fits and len(outputs.answer) else None


def worst_mistakes(outputs: Outputs) -> list[Mistake]:
    """The wrong answers with the highest loss, the worst first."""
    chosen = said(outputs)
    if chosen is None:
        return []
    shares, is_true = by_class(outputs), true(outputs)
    assert shares is not None
    wrong = np.flatnonzero((chosen != is_true).any(1))
    worst = wrong[np.argsort(-outputs.loss[wrong], kind="stable")][:WORST]
    return [
        Mistake(
            place,
            _names(outputs, is_true[place]),
            _names(outputs, chosen[place]),
            _surest(shares[place], chosen[place]),
        )
        for place in worst.tolist()
    ]


def show_mistakes(board: Board, outputs: Outputs, pictures: Mapping[int, Pixels], epoch: int) -> None:
    """The pictures of the worst mistakes with their true and their predicted classes."""
    title = f"Worst mistakes on {outputs.split}"
    panels = panels_of(MistakesBlock("mistakes", title, tuple(worst_mistakes(outputs))), pictures)
    if panels:
        board.image(f"{outputs.split}_pictures/mistakes", _drawn(panels[0]), epoch)


def show_confusion(board: Board, outputs: Outputs, epoch: int) -> None:
    """The confusion matrix, where every sample has one class."""
    chosen = said(outputs)
    if chosen is None or outputs.target.dtype.kind == "b":
        return
    size = len(outputs.classes)
    pairs = outputs.target * size + chosen.argmax(1)
    counts = np.bincount(pairs, minlength=size**2).reshape(size, size)
    block = MatrixBlock("confusion", "", outputs.classes, tuple(tuple(map(int, row)) for row in counts))
    board.image(f"{outputs.split}_pictures/confusion", _drawn(panels_of(block, {})[0]), epoch)


def show_curves(board: Board, outputs: Outputs, epoch: int) -> None:
    """Precision over recall for each class, or for the positive one."""
    shares, is_true = by_class(outputs), true(outputs) if outputs.target.dtype.kind != "f" else None
    if shares is None or is_true is None:
        return
    known = [place for place in range(len(outputs.classes)) if is_true[:, place].any()]
    if outputs.positive is not None:
        known = [place for place in known if outputs.classes[place] == outputs.positive]
    hardest = sorted(known, key=lambda place: float(shares[is_true[:, place], place].mean()))[:MOST_CURVES]
    for place in sorted(hardest):
        board.pr_curve(f"pr/{outputs.classes[place]}", shares[:, place], is_true[:, place], epoch)


def show_embeddings(folder: Path, outputs: Outputs, places: Sequence[int], thumbnails: Sequence[Pixels]) -> None:
    """The projector's files: the samples at ``places`` with their labels, and a thumbnail each where there are any."""
    vectors = outputs.embedding[places].astype(np.float32)
    here = folder / _FOLDER
    here.mkdir(exist_ok=True)
    write_atomically(here / "embedding.bytes", lambda file: file.write(vectors.tobytes()))
    write_text(here / "labels.tsv", _labels(outputs, places))
    lines = [f'tensor_name: "{outputs.split}"', *(f"tensor_shape: {size}" for size in vectors.shape),
             f'tensor_path: "{_FOLDER}/embedding.bytes"', f'metadata_path: "{_FOLDER}/labels.tsv"']  # fmt: skip
    if thumbnails:
        height, width = _write_sheet(here / "thumbnails.png", thumbnails)
        size = f"single_image_dim: {width} single_image_dim: {height}"
        lines.append(f'sprite {{ image_path: "{_FOLDER}/thumbnails.png" {size} }}')
    config = "".join(f"  {line}\n" for line in lines)
    write_text(folder / "projector_config.pbtxt", f"embeddings {{\n{config}}}\n")


def _labels(outputs: Outputs, places: Sequence[int]) -> str:
    """The projector's table of what it writes beside a point, and colours points by.

    It writes the first column that has no numbers, so classes that are digits stand in words there.
    """
    chosen = said(outputs)
    if chosen is None:
        told = [(_numbers(outputs.target[place]), _numbers(outputs.answer[place])) for place in places]
    else:
        is_true = true(outputs)
        told = [(_names(outputs, is_true[place]), _names(outputs, chosen[place])) for place in places]
    rows = [_HEADINGS]
    for place, (name, predicted) in zip(places, told, strict=True):
        right = "" if chosen is None else "yes" if name == predicted else "no"
        words = f"is {name}" if right == "yes" else f"is {name}, predicted {predicted}"
        rows.append((words, name, predicted, right, f"{outputs.loss[place]:.4g}", str(outputs.ids[place])))
    return "".join("\t".join(" ".join(cell.split()) for cell in row) + "\n" for row in rows)


def _write_sheet(path: Path, thumbnails: Sequence[Pixels]) -> tuple[int, int]:
    """All thumbnails in one picture, row by row, in as many columns as rows; gives the height and width of one."""
    from PIL import Image

    tallest, widest = (max(picture.shape[axis] for picture in thumbnails) for axis in (0, 1))
    factor = min(THUMBNAIL / max(tallest, widest), 1)
    height, width = max(round(tallest * factor), 1), max(round(widest * factor), 1)
    across = int(np.ceil(np.sqrt(len(thumbnails))))
    sheet = Image.new("RGB", (across * width, across * height), "white")
    for place, picture in enumerate(thumbnails):
        small = Image.fromarray(picture)
        if small.size != (width, height):
            small = small.resize((width, height))
        sheet.paste(small, (place % across * width, place // across * height))
    write_atomically(path, lambda file: sheet.save(file, format="PNG"))
    return height, width


def _drawn(panel: Panel) -> Pixels:
    """What a panel draws, as a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with lettering():
        figure = Figure(figsize=(CARD / DPI, HEIGHT / DPI), dpi=DPI, layout=ConstrainedLayoutEngine())
        canvas = FigureCanvasAgg(figure)
        panel.draw(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _surest(shares: npt.NDArray[np.float32], chosen: npt.NDArray[np.bool_]) -> float:
    """The lowest probability among the classes that are said of a sample; of nothing, that of no class at all."""
    return float(shares[chosen].min() if chosen.any() else 1 - shares.max())


def _names(outputs: Outputs, chosen: npt.NDArray[np.bool_]) -> str:
    return "|".join(compress(outputs.classes, chosen.tolist())) or "(none)"


def _numbers(values: object) -> str:
    return ", ".join(f"{value:.4g}" for value in np.ravel(values).tolist())  # type: ignore[call-overload]
