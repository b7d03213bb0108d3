"""``explain`` for pictures: maps of what speaks for a class, their scores, and pictures of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cnncli.compute.failures import ANSWERING, explained
from cnncli.core.errors import ConfigError, did_you_mean
from cnncli.core.spec import Pictures
from cnncli.data.contract import Track
from cnncli.data.transforms import center
from cnncli.inference.gather import Asked
from cnncli.inference.predict_pictures import read_asked
from cnncli.inference.predictor import Predictor
from cnncli.insight.attribution import CAMS, attribute, check_methods
from cnncli.insight.class_scores import predicted
from cnncli.insight.faithful import RANDOM, Score, scores
from cnncli.insight.gradcam import in_colour, layer_with_map, overlay, usual_method
from cnncli.insight.layer_pictures import first_kernels, layers_sheet, maps_of
from cnncli.runs.sample_picture import PAPER, Pixels, sample_sheet

if TYPE_CHECKING:
    from PIL.Image import Image

ON_SHEET = 24  # pictures that one sheet shows,
SMALL = 144  # with a longer side of so many pixels
GAP = 4  # pixels between it and its maps
LARGE = 224  # pixels that a picture's longer side has at least where it is shown alone


@dataclass(frozen=True)
class Wish:
    """What is asked for: methods by name (none: the usual one), another class, random maps, pictures of the layers."""

    methods: tuple[str, ...] = ()
    class_name: str | None = None
    random_maps: int = RANDOM
    layers: bool = False


@dataclass(frozen=True)
class Explanation:
    """One map of one picture: of which class, its probability, and what the map is worth. ``file`` shows it."""

    path: str
    prediction: Any
    class_name: str
    probability: float | None
    method: str
    score: Score | None
    file: str = ""


@dataclass
class Explanations:
    """All maps, path → cause for pictures that could not be read, and what the sheet shows."""

    found: list[Explanation] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    tiles: list[Pixels] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    pictures: int = 0

    def sheet(self, asked: int) -> "Image":
        """The first pictures, each beside its maps, and how many of those ``asked`` for they are."""
        title = f"{len(self.tiles):,} of {asked:,} pictures"
        return sample_sheet(self.tiles, self.labels, title=title)


Write = Callable[[str, str, "Image"], str]
"""Takes a picture's name, what is shown of it, and the image; gives the file that it was written to."""


def class_number(predictor: Predictor, name: str | None) -> int | None:
    """The place of a class among the network's; raises ``ConfigError`` with the nearest name where there is none."""
    if name is None:
        return None
    if not predictor.classes:
        raise ConfigError(f"--class {name}: the network has no classes; leave out --class")
    if name not in predictor.classes:
        raise ConfigError(f"--class {name}: {did_you_mean(name, predictor.classes)}")
    return predictor.classes.index(name)


def thinned(asked: Asked, most: int) -> Asked:
    """At most so many of the files, spread evenly over all of them."""
    count = len(asked.paths)
    if count <= most:
        return asked
    return replace(asked, paths=[asked.paths[number * count // most] for number in range(most)])


def check(predictor: Predictor, wish: Wish) -> Wish:
    """The wish with its methods.

    Raises ``ConfigError`` for what cannot be asked of a network, ``NoMap`` for a method that needs a map it lacks.
    """
    predictor.spec.require(Pictures, f"{predictor.path}: explaining pictures", predictor.advice)
    check_methods(list(wish.methods))
    class_number(predictor, wish.class_name)
    example = predictor.inputs(torch.zeros(1, *predictor.spec.input_shape, dtype=torch.uint8))
    for method in wish.methods:
        if method in CAMS:
            layer_with_map(predictor, example, method)
    if wish.layers:
        maps_of(predictor, example)
        first_kernels(predictor)
    return wish if wish.methods else replace(wish, methods=(usual_method(predictor, example),))


def explain_pictures(predictor: Predictor, asked: Asked, wish: Wish, write: Write, track: Track) -> Explanations:
    """Every picture that can be read, explained and written, batch by batch; the wish is one that was checked."""
    other = class_number(predictor, wish.class_name)
    result = Explanations(errors=dict(asked.missing))
    count = len(asked.names)
    with explained(ANSWERING):
        for one in track(_each(predictor, asked, result.errors), count, f"explaining {count:,} pictures"):
            _explain(predictor, one, other, wish, write, result)
    return result


def _silent(items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
    return items


@dataclass(frozen=True, eq=False)
class _One:
    """A picture as it is seen ``[C, H, W]``, as the network gets it ``[1, C, H, W]``, and what was answered."""

    name: str
    seen: Tensor
    inputs: Tensor
    prediction: Any
    number: int
    probabilities: Tensor | None


def _each(predictor: Predictor, asked: Asked, errors: dict[str, str]) -> Iterator[_One]:
    """The pictures that can be read, one after the other; path → cause of the others is added to ``errors``."""
    for names, images, failed in read_asked(predictor, asked, _silent):
        errors |= failed
        if names:
            yield from _answered(predictor, names, images)


def _answered(predictor: Predictor, names: Sequence[str], images: Tensor) -> Iterator[_One]:
    logits = predictor.logits(images)
    naming, columns = predictor.task.naming(logits), predictor.task.predictions(logits)
    answers = next(iter(columns.values()))
    numbers = predicted(predictor, logits).tolist()
    size = (predictor.spec.input_shape[1], predictor.spec.input_shape[2])
    for row, name in enumerate(names):
        image = images[row : row + 1]
        probabilities = None if naming is None else naming.probabilities[row]
        yield _One(name, center(image, size)[0], predictor.inputs(image), answers[row], numbers[row], probabilities)


def _explain(
    predictor: Predictor, one: _One, other: int | None, wish: Wish, write: Write, result: Explanations
) -> None:
    """The maps of one picture for each method and class, their scores, and the picture of them all."""
    numbers = list(dict.fromkeys([one.number, *([] if other is None else [other])]))
    picture = enlarged(one.seen).permute(1, 2, 0)
    tiles, labels, answers, found = list[Pixels](), list[str](), list[str](), list[Explanation]()
    for method in wish.methods:
        tiles.append(_pixels(picture))
        labels.append(Path(one.name).name)
        for number in numbers:
            heat = attribute(predictor, one.inputs, torch.tensor([number]), method)[0]
            score = _score(predictor, one, number, heat, wish)
            about = _about(predictor, one, number)
            found.append(Explanation(one.name, one.prediction, *about, method, score))
            tiles.append(_pixels(overlay(picture, heat)))
            labels.append(f"{_label(about)} {method}{'' if bool(heat.any()) else ': nothing'}")
            answers.append(_label(about))
    file = write(one.name, "explained", sample_sheet(tiles, labels, columns=1 + len(numbers)))
    result.found += [replace(each, file=file) for each in found]
    if wish.layers:
        write(one.name, "layers", layers_sheet(predictor, one.inputs))
    if len(result.tiles) < ON_SHEET:
        result.tiles.append(_beside(tiles[: 1 + len(numbers)]))
        result.labels.append(f"{labels[0]}: {answers[0]}")
    result.pictures += 1


def _score(predictor: Predictor, one: _One, number: int, heat: Tensor, wish: Wish) -> Score | None:
    return scores(predictor, one.inputs[0], number, heat, wish.random_maps) if wish.random_maps else None


def _about(predictor: Predictor, one: _One, number: int) -> tuple[str, float | None]:
    """The class and its probability; of a network that gives numbers, which one."""
    if one.probabilities is None:
        numbers = predictor.spec.numbers
        return ("" if numbers is None else numbers.names[number]), None
    return predictor.classes[number], float(one.probabilities[number])


def _label(about: tuple[str, float | None]) -> str:
    name, probability = about
    return name if probability is None else f"{name} {probability:.2f}"


def _pixels(picture: "Tensor | Image") -> Pixels:
    """A picture as uint8 ``[H, W, 3]``."""
    import numpy as np

    return np.ascontiguousarray(in_colour(picture) if isinstance(picture, Tensor) else picture)


def enlarged(picture: Tensor) -> Tensor:
    """A small picture ``[C, H, W]`` by a whole factor, pixel by pixel."""
    factor = max(LARGE // max(picture.shape[1:]), 1)
    return picture.repeat_interleave(factor, 1).repeat_interleave(factor, 2)


def _beside(tiles: Sequence[Pixels]) -> Pixels:
    """Pictures of one size side by side, made small."""
    import numpy as np
    from PIL import Image

    factor = SMALL / max(tiles[0].shape[:2])
    height, width = (max(round(side * factor), 1) for side in tiles[0].shape[:2])
    small = [np.asarray(Image.fromarray(tile).resize((width, height))) for tile in tiles]
    gap = np.full((height, GAP, 3), PAPER, np.uint8)
    return np.concatenate([part for tile in small for part in (gap, tile)][1:], axis=1)
