"""Mistakes with their pictures: what the network looked at, and the training pictures that it finds most like them."""

from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnncli.compute.interrupt import StopSignal
from cnncli.core.errors import NoMap, StorageError
from cnncli.core.results import Mistake, MistakesBlock
from cnncli.data import DataBundle
from cnncli.data.transforms import center
from cnncli.inference.predictor import Predictor
from cnncli.insight.gradcam import heat, overlay, usual_method
from cnncli.report.blocks import cut_note
from cnncli.report.parts import Card, Gallery, Picture
from cnncli.report.thumbnails import thumbnail
from cnncli.report.told import Told
from cnncli.runs.outputs import Outputs, read_outputs
from cnncli.training.display import Display
from cnncli.training.keep_outputs import keep
from cnncli.training.pictures import pixels
from cnncli.training.recorder import Recorder
from cnncli.training.report import evaluate_split

NEAREST = 3
"""Training pictures beside each mistake."""
_METHODS = {"gradcam": "Grad-CAM (Selvaraju et al. 2017)", "layercam": "LayerCAM (Jiang et al. 2021)"}
_HEAT = "The second picture shows where {} finds the reasons for {}."
_NEAR = "Below are the training pictures most like it by the network's last features, with their true classes."


def mistakes_gallery(
    block: MistakesBlock, told: Told, predictor: Predictor, data: DataBundle, nearest: bool, display: Display
) -> Gallery:
    """Each mistake with its picture and the heat of the predicted class, and what is ``nearest`` in training."""
    source = data.sources[told.result.report.split]
    shown = [one for one in block.mistakes if one.sample < len(source)]
    stored = [source[one.sample] for one in shown]
    near = _nearest(shown, told, predictor, data, display) if nearest else {}
    heats = _heats(predictor, stored, shown)
    cards = []
    for place, (one, image) in enumerate(zip(shown, stored, strict=True)):
        seen = pixels(center(image[None], data.picture_size)[0])
        pictures = [thumbnail(seen, f"true: {one.true}, predicted: {one.predicted}")]
        if heats is not None:
            words = f"where the reasons for {one.predicted} lie"
            pictures.append(thumbnail(np.asarray(overlay(torch.from_numpy(seen.copy()), heats[place])), words))
        cards.append(Card(tuple(pictures), _lines(one), tuple(near.get(one.sample, ()))))
    notes = [cut_note(block)]
    if heats is not None:
        method = usual_method(predictor, predictor.inputs(stored[0][None]))
        notes.append(_HEAT.format(_METHODS[method], _meant(predictor, shown)))
    if near:
        notes.append(_NEAR)
    return Gallery(block.title, tuple(cards), tuple(filter(None, notes)))


def _lines(one: Mistake) -> tuple[str, ...]:
    lines = (f"true: {one.true}", f"predicted: {one.predicted}, {100 * one.probability:.1f} %")
    return lines if one.path is None else (*lines, "/".join(PurePath(one.path).parts[-2:]))


def _heats(predictor: Predictor, stored: Sequence[Tensor], shown: Sequence[Mistake]) -> Tensor | None:
    """The heat of the predicted classes, ``[N, H, W]``; None where the network has no map to draw it on."""
    if not stored:
        return None
    names = list(predictor.classes)
    single = _single(predictor, shown)
    classes = torch.tensor([names.index(one.predicted) for one in shown]) if single else None
    try:
        return heat(predictor, predictor.inputs(torch.stack(list(stored))), classes)
    except NoMap:
        return None


def _single(predictor: Predictor, shown: Sequence[Mistake]) -> bool:
    """Whether one class is predicted of each picture, not several or none."""
    return all(one.predicted in predictor.classes for one in shown)


def _meant(predictor: Predictor, shown: Sequence[Mistake]) -> str:
    return "the predicted class" if _single(predictor, shown) else "the class with the highest probability"


def _nearest(
    shown: Sequence[Mistake], told: Told, predictor: Predictor, data: DataBundle, display: Display
) -> dict[int, list[Picture]]:
    """The training pictures whose features point most nearly the same way, by the number of the mistake."""
    training = _training(told, predictor, data, display)
    outputs = told.outputs
    if training is None or outputs is None or not outputs.embedding.size or not training.embedding.size:
        return {}
    known = _directions(training.embedding)
    found = {}
    for one in shown:
        likeness = known @ _directions(outputs.embedding[one.sample : one.sample + 1])[0]
        best = np.argsort(-likeness, kind="stable")[:NEAREST]
        found[one.sample] = [_near(place, training, data) for place in best.tolist()]
    return found


def _near(place: int, training: Outputs, data: DataBundle) -> Picture:
    image = center(data.sources["train"][place][None], data.picture_size)[0]
    targets = training.target[place]
    names = [training.classes[number] for number in np.flatnonzero(targets)] if targets.ndim else [
        training.classes[int(targets)]
    ]  # fmt: skip
    return thumbnail(pixels(image), " | ".join(names))


def _directions(features: NDArray[np.float16]) -> NDArray[np.float32]:
    """Each row as a vector of length one."""
    wide = features.astype(np.float32)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    directions: NDArray[np.float32] = wide / np.maximum(lengths, 1e-12)
    return directions


def _training(told: Told, predictor: Predictor, data: DataBundle, display: Display) -> Outputs | None:
    """What the network answers to the training part: kept from an earlier page, else by one pass over it."""
    path = told.run.outputs("train")
    if path.is_file():
        try:
            found = read_outputs(path)
        except StorageError:  # damaged: it is written anew
            pass
        else:
            return found if len(found.ids) == len(data.sources["train"]) else None
    recorder = Recorder(data, "train", predictor.task, predictor.config.task.name)
    predictor.task.fit(data.sources["train"].targets)
    with StopSignal() as stop:
        meter = evaluate_split(
            predictor.model, data, "train", predictor.task, predictor.runtime, display, stop, recorder
        )
    if meter is None:
        return None
    keep(recorder, path, display)
    return recorder.judged()
