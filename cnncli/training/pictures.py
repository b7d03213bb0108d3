"""A picture of what the network sees."""

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

GRID, TILE, CAPTION = 3, 96, 14  # tiles a side, pixels of a tile, pixels of its caption


def sample_grid(images: Tensor, labels: list[str]) -> "Image":
    """Up to nine samples, uint8 ``[N, C, H, W]``, with their labels above them."""
    from PIL import Image, ImageDraw

    canvas = Image.new("RGB", (GRID * TILE, GRID * (TILE + CAPTION)), "white")
    draw = ImageDraw.Draw(canvas)
    for number, (image, label) in enumerate(list(zip(images.cpu(), labels, strict=True))[: GRID * GRID]):
        row, column = divmod(number, GRID)
        left, top = column * TILE, row * (TILE + CAPTION)
        pixels = image.expand(3, -1, -1).permute(1, 2, 0).numpy()
        tile = Image.fromarray(pixels).resize((TILE - 4, TILE - 4), Image.Resampling.NEAREST)
        canvas.paste(tile, (left + 2, top + CAPTION))
        draw.text((left + 4, top + 1), label.encode("latin-1", "replace").decode("latin-1")[:15], fill="black")
    return canvas
