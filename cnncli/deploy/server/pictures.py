"""Pictures sent by clients: what is decoded at all, the answers of a batch, and maps of what an answer looks at."""

import base64
import io
import math
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cnncli.core.errors import DataError, NoMap, one_line
from cnncli.data.decode import read_image
from cnncli.data.transforms import center
from cnncli.deploy.exported import OnnxNetwork
from cnncli.deploy.server.bodies import File
from cnncli.deploy.server.limits import Refused
from cnncli.inference.predict_pictures import Answer, as_record, cause_of, decode_of, named_answers
from cnncli.inference.predictor import Predictor
from cnncli.insight.class_scores import predicted
from cnncli.insight.explain_pictures import Wish, check, class_number, enlarged
from cnncli.insight.gradcam import heat, overlay

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "MPO", "AVIF")  # no others: some start programs, or fetch
LARGE = 2**22  # pixels; of larger pictures one is decoded at a time, as each takes up to 15 bytes for every pixel
MOST_CLASSES = 100  # that an answer names
NUMPY = b"\x93NUMPY"


def _has_map(predictor: Predictor) -> bool:
    """Whether Grad-CAM finds a layer in the network."""
    try:
        check(predictor, Wish())
    except NoMap:
        return False
    return True


class PictureAnswers:
    """A network of pictures as the server asks it: samples are uint8 ``[C, H, W]`` each."""

    kind = "pictures"

    def __init__(self, predictor: Predictor, max_pixels: int) -> None:
        self.predictor, self.max_pixels, self.decode_as = predictor, max_pixels, decode_of(predictor)
        self.classes = predictor.classes
        self._large = threading.Lock()
        self.sample_bytes = self.decode_as.channels * math.prod(self.decode_as.size)
        self.explains = not isinstance(predictor.network, OnnxNetwork) and _has_map(predictor)

    def decode(self, file: File) -> Tensor:
        """One picture as the network knows them; raises ``Refused`` for what is none, or is too large."""
        large = check_size(file.content, self.max_pixels) > LARGE
        try:
            with self._large if large else nullcontext():
                return read_image(io.BytesIO(file.content), self.decode_as, FORMATS)
        except DataError as error:
            raise Refused(422, "picture", one_line(cause_of("standard input", error))) from error

    def answer(self, samples: Sequence[Tensor]) -> list[Answer]:
        """The answers of a batch, each with its most probable classes and without a path."""
        logits = self.predictor.logits(torch.stack(list(samples)))
        return named_answers(self.predictor, [""] * len(samples), logits, MOST_CLASSES)

    def example(self) -> Tensor:
        """A sample to try the network with."""
        return torch.zeros(self.decode_as.channels, *self.decode_as.size, dtype=torch.uint8)

    def class_number(self, name: str | None) -> int | None:
        """The place of a class; raises ``ConfigError`` where there is none."""
        return class_number(self.predictor, name)

    def explain(self, sample: Tensor, number: int | None) -> dict[str, Any]:
        """A map of what speaks for the answer, or for the class of that ``number``, over the picture, as a PNG."""
        logits = self.predictor.logits(sample[None])
        wanted = predicted(self.predictor, logits) if number is None else torch.tensor([number])
        inputs = self.predictor.inputs(sample[None])
        map_ = heat(self.predictor, inputs, wanted)[0]
        size = (self.predictor.spec.input_shape[1], self.predictor.spec.input_shape[2])
        seen = enlarged(center(sample[None], size)[0]).permute(1, 2, 0)
        named = self.predictor.task.naming(logits)
        place = int(wanted[0])
        about = {} if named is None else {"probability": float(named.probabilities[0, place])}
        name = self.classes[place] if named is not None else self.predictor.config.task.name
        return {"class": name, **about, "map": _as_url(overlay(seen, map_))}


def record(answer: Answer, path: str, top_k: int) -> dict[str, Any]:
    """One answer as ``cnncli predict --json`` has it."""
    return as_record(replace(answer, path=path, top=answer.top[:top_k]))


def check_size(content: bytes, most: int) -> int:
    """The pixels that a picture has by its header; raises ``Refused`` for more than ``most``, and for no picture."""
    from PIL import Image

    if content.startswith(NUMPY):
        return _check_array(content, most)
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            pixels: int = image.width * image.height
    except Image.DecompressionBombError as error:
        raise _too_many(most) from error
    except Exception as error:  # damaged headers make Pillow's readers raise nearly anything
        raise Refused(422, "picture", "cannot be read as a picture (its content is none that is known)") from error
    if pixels > most:
        raise _too_many(most)
    return pixels


def _too_many(most: int) -> Refused:
    return Refused(413, "pixels", f"has more than {most:,} pixels; make it smaller")


def _check_array(content: bytes, most: int) -> int:
    """The same for an array of NumPy's, which is not compressed: it is never larger than what was sent."""
    from numpy.lib import format as npy

    file = io.BytesIO(content)
    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file)
    except Exception as error:  # it is written as Python, and its parser raises errors of many kinds
        raise Refused(422, "picture", "cannot be read as a picture (its header is no array's)") from error
    if dtype.hasobject or dtype.itemsize * math.prod(shape) > len(content):
        raise Refused(422, "picture", "cannot be read as a picture (its header tells another size than it has)")
    if (pixels := math.prod(shape[:2])) > most:
        raise _too_many(most)
    return pixels


def _as_url(image: "Image") -> str:
    file = io.BytesIO()
    image.save(file, format="PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
