"""Folders of pictures, damaged at random: read as Pillow reads them, or refused with a line.

``CNNCLI_FUZZ=2000 pytest tests/data/test_damaged_folders.py`` tries more of them.
"""

import io
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from cnncli.core.errors import DataError
from cnncli.core.spec import Decode
from cnncli.data.decode import read_image
from cnncli.data.folders import read_folder

EXAMPLES = int(os.environ.get("CNNCLI_FUZZ", "60"))
tried: Counter[str] = Counter()  # how many were read, and how many refused
FORMS = ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA"]
DECODE = Decode((9, 7), fit="stretch")
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 100
)
TREES = st.dictionaries(
    st.one_of(st.sampled_from(["train", "Test", "val", "cat", "Cat", "dog", "@eaDir", "train_old", "café"]), NAMES),
    st.dictionaries(
        st.one_of(st.sampled_from(["cat", "dog", "a.png", "b", ".z.png", "c.txt", "tést"]), NAMES),
        st.integers(0, 3),
        max_size=4,
    ),
    max_size=5,
)


def encoded(form: str, seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def strictly(content: bytes) -> Any:
    """What Pillow reads of a file, None where it refuses."""
    try:
        with Image.open(io.BytesIO(content)) as opened:
            image = ImageOps.exif_transpose(opened)
    except Exception:
        return None
    return image


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(FORMS), st.integers(0, 9),
    st.lists(st.tuples(st.floats(0, 1, allow_subnormal=False), st.integers(0, 255)), max_size=4),
    st.floats(0.2, 1),
)  # fmt: skip
def test_a_damaged_picture_is_what_pillow_makes_of_it_or_refused(
    form: str, seed: int, changes: list[tuple[float, int]], kept: float
) -> None:
    damaged = bytearray(encoded(form, seed))
    for at, value in changes:
        damaged[int(at * (len(damaged) - 1))] = value
    content = bytes(damaged) if kept > 0.6 else bytes(damaged[: int(kept * len(damaged))])
    wanted = strictly(content)
    found, refused = None, ""
    try:
        found = read_image(io.BytesIO(content), DECODE)
    except DataError as error:
        refused = str(error)
    tried["pictures refused" if found is None else "pictures read"] += 1
    if found is None:
        assert "\n" not in refused
        # what Pillow reads and we do not: channels of TIFF that it cuts
        assert wanted is None or "channels" in refused
        return
    assert found.shape == (3, 9, 7)
    if wanted is not None and wanted.mode == "RGB" and wanted.size == (7, 9) and "transparency" not in wanted.info:
        assert np.array_equal(found.permute(1, 2, 0).numpy(), np.asarray(wanted))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(TREES)
def test_a_random_folder_is_read_whole_or_refused_with_a_line(tree: dict[str, dict[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        there = 0
        for folder, files in tree.items():
            (root / folder).mkdir(exist_ok=True)
            for name, how in files.items():
                path = root / folder / name
                if path.exists():
                    continue
                if how == 0:
                    path.mkdir()
                    (path / "p.png").write_bytes(encoded("PNG", 0))
                elif how == 1:
                    path.symlink_to(root / folder)
                else:
                    path.write_bytes(encoded("PNG", 1) if how == 2 else b"text")
                there += how != 1
        refused = ""
        try:
            parts = read_folder(root)
        except DataError as error:
            refused = error.lines()[0]
        tried["folders refused" if refused else "folders read"] += 1
        if refused:
            assert "\n" not in refused
            return
        assert "train" in parts
        read = [path for part in parts.values() for path in part.paths]
        assert len(read) == len(set(read)) <= there
        for part in parts.values():
            assert len(part.paths) == len(part.labels) == len(part.names)
            assert set(part.labels) == set(range(len(part.classes)))
            good = [path for path in part.paths if path.read_bytes() != b"text"]
            assert all(read_image(path, DECODE).shape == (3, 9, 7) for path in good)


def test_some_are_read() -> None:
    """After the tests above; ``-s`` shows how many."""
    print(dict(tried))
    assert not tried or (tried["pictures read"] and tried["folders read"])
