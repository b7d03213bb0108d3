"""One decoder: every kind of file comes out as a person would see it."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2.functional import pil_to_tensor

from cnncli.core.errors import DataError
from cnncli.core.spec import Decode
from cnncli.data.decode import read_image


def pixel(path: Path, channels: int = 3) -> list[int]:
    """The one colour of a picture."""
    image = read_image(path, Decode((4, 4), 3 if channels == 3 else 1))
    assert image.dtype == torch.uint8
    assert image.shape == (channels, 4, 4)
    assert all(len(plane.unique()) == 1 for plane in image)
    return image[:, 0, 0].tolist()


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_sixteen_bits_are_scaled_and_not_cut_off(tmp_path: Path) -> None:
    levels = np.full((4, 4), 32768, dtype=np.uint16)
    assert pixel(saved(tmp_path / "a.png", Image.fromarray(levels))) == [128, 128, 128]
    dark = np.full((4, 4), 200, dtype=np.uint16)  # below 256, and still of 65,535
    assert pixel(saved(tmp_path / "b.png", Image.fromarray(dark)), channels=1) == [1]
    assert pixel(saved(tmp_path / "c.tif", Image.fromarray(levels.astype(np.int32)))) == [128, 128, 128]
    assert pixel(saved(tmp_path / "d.tif", Image.fromarray(np.full((4, 4), 0.5, dtype=np.float32)))) == [128] * 3


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    assert pixel(saved(tmp_path / "a.png", Image.new("RGBA", (4, 4), (255, 0, 0, 0)))) == [255, 255, 255]
    assert pixel(saved(tmp_path / "b.png", Image.new("RGBA", (4, 4), (255, 0, 0, 255)))) == [255, 0, 0]
    assert pixel(saved(tmp_path / "c.png", Image.new("LA", (4, 4), (0, 128))), channels=1) == [127]
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([10, 20, 30])
    assert pixel(saved(tmp_path / "d.png", palette)) == [10, 20, 30]
    assert pixel(saved(tmp_path / "e.png", palette, transparency=0)) == [255, 255, 255]


def test_cmyk_and_bilevel_pictures_become_rgb(tmp_path: Path) -> None:
    assert pixel(saved(tmp_path / "a.tif", Image.new("CMYK", (4, 4), (0, 255, 255, 0)))) == [255, 0, 0]
    assert pixel(saved(tmp_path / "b.png", Image.new("1", (4, 4), 1))) == [255, 255, 255]


def test_of_an_animation_the_first_picture_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert pixel(tmp_path / "a.gif") == [255, 0, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_picture(tmp_path: Path, orientation: int) -> None:
    upright = Image.new("RGB", (8, 8), "white")
    upright.paste("red", (0, 0, 4, 4))  # red stands top left
    back = {1: [], 2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180],
            4: [Image.Transpose.FLIP_TOP_BOTTOM], 5: [Image.Transpose.TRANSPOSE], 6: [Image.Transpose.ROTATE_90],
            7: [Image.Transpose.TRANSVERSE], 8: [Image.Transpose.ROTATE_270]}  # fmt: skip
    stored = upright
    for step in back[orientation]:
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    image = read_image(tmp_path / "a.png", Decode((8, 8)))
    assert torch.equal(image, pil_to_tensor(upright))


def test_the_three_ways_of_fitting(tmp_path: Path) -> None:
    wide = Image.new("RGB", (40, 20), "red")
    wide.paste("blue", (10, 0, 30, 20))
    path = saved(tmp_path / "wide.png", wide)
    cropped = read_image(path, Decode((20, 20), fit="crop"))
    assert cropped[2].min() == 255, "the blue middle alone is left"
    stretched = read_image(path, Decode((20, 20), fit="stretch"))
    assert stretched[0, 10, 0] == 255
    assert stretched[2, 10, 10] == 255
    padded = read_image(path, Decode((40, 40), fit="pad"))
    assert padded[:, 0].sum() == 0, "black above"
    assert padded[2, 20, 20] == 255
    assert padded[0, 20, 2] == 255


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_it_is_resize_and_centre_crop_as_torchvisions_weights_expect(tmp_path: Path, interpolation: str) -> None:
    rows = torch.linspace(0, 12, 300).sin()[:, None] * torch.linspace(0, 9, 400).cos()[None]
    image = Image.fromarray(((rows + 1) * 127).byte().numpy()).convert("RGB")
    path = saved(tmp_path / "a.png", image)
    mode = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}[interpolation]
    wanted = v2.CenterCrop(224)(v2.Resize(256, interpolation=mode, antialias=True)(image))
    ours = read_image(path, Decode((256, 256), interpolation="bicubic" if interpolation == "bicubic" else "bilinear"))
    ours = ours[:, 16:240, 16:240]
    # the side that is cut off is rounded to whole pixels by torchvision before, by us after scaling
    assert (ours.int() - pil_to_tensor(wanted).int()).abs().float().mean() < 1.0


def test_a_jpeg_may_be_scaled_while_it_is_decoded_and_looks_the_same(tmp_path: Path) -> None:
    rows = torch.linspace(0, math.pi, 1600).sin()[:, None] * torch.linspace(0, 1, 1200)[None]
    image = Image.fromarray((rows * 255).byte().numpy()).convert("RGB")
    whole = read_image(saved(tmp_path / "a.png", image), Decode((64, 64)))
    drafted = read_image(saved(tmp_path / "a.jpg", image, quality=95), Decode((64, 64)))
    assert (whole.int() - drafted.int()).abs().float().mean() < 2.0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.jpg", b""), ("page.jpg", b"<html>not found</html>"), ("cut.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF"),
        ("cut.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), ("cut.gif", b"GIF89a\x04"), ("cut.tif", b"II*\x00\x08"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}: cannot be read as a picture \(.+\); fix or remove the file"):
        read_image(path, Decode((4, 4)))


def test_a_truncated_photo_is_named_and_a_missing_one_too(tmp_path: Path) -> None:
    noise = torch.randint(0, 256, (64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    buffer = io.BytesIO()
    Image.fromarray(noise.numpy()).save(buffer, "JPEG")
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue()[:-500])
    with pytest.raises(DataError, match="truncated"):
        read_image(tmp_path / "a.jpg", Decode((4, 4)))
    with pytest.raises(DataError, match="no such file"):
        read_image(tmp_path / "b.jpg", Decode((4, 4)))


def test_a_bomb_of_pixels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "a.png", Image.new("1", (3000, 3000)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    with pytest.raises(DataError, match="exceeds limit"):
        read_image(path, Decode((4, 4)))


def test_between_pillows_two_limits_a_picture_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "a.png", Image.new("1", (1200, 1200)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    assert read_image(path, Decode((4, 4))).shape == (3, 4, 4)
