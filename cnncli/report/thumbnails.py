"""Pictures as parts of a page: made from pixels, so that nothing of a file but what is seen comes along."""

import base64
from io import BytesIO

import numpy as np
from PIL import Image

from cnncli.report.parts import Picture
from cnncli.runs.sample_picture import Pixels

LONGEST = 200  # pixels of the longer side at most, unless more are asked for
SHARP = 64  # up to which a picture is kept without loss


def thumbnail(pixels: Pixels, words: str, longest: int = LONGEST) -> Picture:
    """A picture ``[H, W, 3]`` uint8, made smaller where it is large."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if (largest := max(image.size)) > longest:
        width, height = (max(round(side * longest / largest), 1) for side in image.size)
        image = image.resize((width, height))
    file = BytesIO()
    if max(image.size) <= SHARP:
        image.save(file, "PNG", optimize=True)
        kind = "png"
    else:
        image.save(file, "JPEG", quality=82)
        kind = "jpeg"
    return Picture(f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}", words)
