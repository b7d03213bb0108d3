"""Pixels of any depth and number of channels: one range for a data set, the same in training and in prediction."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import ConfigError, DataError
from cnncli.core.notices import collecting
from cnncli.core.spec import DataSpec, Decode, Pictures
from cnncli.data import build_data
from cnncli.data.bundle import DataBundle
from cnncli.data.decode import open_image, read_image
from cnncli.data.sources import FileSource
from tests.conftest import Answer

fill_registries()
Cli = Callable[..., Answer]
Values = np.ndarray[Any, Any]
RAMP = np.linspace(0, 1, 32)[None].repeat(32, 0)


def save(path: Path, values: Values) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        Image.fromarray(values).save(path)
    return path


def bundle(root: Path, **settings: Any) -> DataBundle:
    config = DatasetConfig(name="image_folder", **{"root": str(root), "image_size": 16, "channels": 1, "workers": 0,
                                                   "val_fraction": 0.25, "normalize": "none", **settings})  # fmt: skip
    return build_data(config, lambda items, _total, _what: items)


def decode_of(data: DataBundle) -> Decode:
    assert isinstance(data.spec.preprocess, Pictures)
    assert data.spec.preprocess.decode is not None
    return data.spec.preprocess.decode


def halves(root: Path, low: float, high: float, dtype: Any, ending: str, odd: float | None = None) -> Path:
    """Two classes, the bright half left or right, between two values; every second picture has an odd pixel."""
    for number, name in enumerate(("left", "right")):
        for i in range(8):
            values = np.full((16, 16), low, np.float64)
            values[:, number * 8 : number * 8 + 8] = high - i * (high - low) / 100
            values[2 * i : 2 * i + 2, number * 8 : number * 8 + 8] = low  # so that no two are the same to the eye
            if odd is not None and i % 2:
                values[0, 0] = odd
            save(root / name / f"{i}{ending}", values.astype(dtype))
    return root


DEPTHS = {
    "8 bits": (10, 200, np.uint8, ".png"),
    "16 bits": (0, 65535, np.uint16, ".png"),
    "16 bits of TIFF": (0, 65535, np.uint16, ".tif"),
    "12 bits": (0, 4095, np.uint16, ".png"),
    "12 bits of TIFF": (0, 4095, np.uint16, ".tif"),
    "10 bits": (0, 1023, np.uint16, ".png"),
    "thermal": (7000, 7150, np.uint16, ".png"),
    "faint": (30000, 30040, np.uint16, ".tif"),
    "32 bits": (0, 4095, np.int32, ".tif"),
    "a million": (0, 1_000_000, np.int32, ".tif"),
    "Hounsfield": (-1000, 3000, np.int32, ".tif"),
    "32 bits of 8": (0, 255, np.int32, ".tif"),
    "0 to 1": (0, 1, np.float32, ".tif"),
    "overshoot": (0, 1.02, np.float32, ".tif"),
    "-1 to 1": (-1, 1, np.float32, ".tif"),
    "0 to 255": (0, 255, np.float32, ".tif"),
    "0 to 4095": (0, 4095, np.float32, ".tif"),
    "tiny floats": (1e-6, 3e-6, np.float32, ".tif"),
    "float64": (-3.5, 9.25, np.float64, ".npy"),
    "float16": (0, 1, np.float16, ".npy"),
    "int16": (-1024, 3071, np.int16, ".npy"),
    "uint16 array": (100, 900, np.uint16, ".npy"),
    "uint32": (0, 4_000_000_000, np.uint32, ".npy"),
    "int8": (-100, 100, np.int8, ".npy"),
    "bool": (0, 1, np.bool_, ".npy"),
}


@pytest.mark.parametrize(("low", "high", "dtype", "ending"), DEPTHS.values(), ids=DEPTHS)
def test_a_set_of_any_depth_keeps_what_tells_its_classes_apart(
    tmp_path: Path, low: float, high: float, dtype: Any, ending: str
) -> None:
    data = bundle(halves(tmp_path / "set", low, high, dtype, ending))
    found = decode_of(data)
    if dtype in (np.uint8, np.bool_):
        assert found.value_range is None
    else:
        assert found.value_range == pytest.approx((low, high), rel=0.08)
    for inputs, targets in data.loader("val", torch.device("cpu")).epoch(0):
        difference = inputs[..., :8].mean((1, 2, 3)) - inputs[..., 8:].mean((1, 2, 3))
        assert torch.equal(difference < 0, targets.bool())
        assert difference.abs().min() > 0.5
    again = DataSpec.from_dict(data.spec.to_dict())
    assert again == data.spec
    files = bundle(tmp_path / "set", memory="never").sources["train"]
    assert isinstance(files, FileSource)
    assert torch.equal(read_image(files.paths[0], decode_of(data)), data.sources["train"][0])


def test_levels_of_a_range_are_known_numbers(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", (RAMP * 4095).astype(np.uint16))
    levels = read_image(path, Decode((32, 32), 1, value_range=(0, 4095)))[0, 0]
    assert levels.tolist() == [round(i / 31 * 4095 // 1 / 4095 * 255) for i in range(32)]
    cut = read_image(path, Decode((32, 32), 1, value_range=(1000, 2000)))[0, 0]
    assert (cut[0], cut[-1]) == (0, 255)
    assert len(read_image(path, Decode((32, 32), 1))[0].unique()) == 17, "without a range as before"


def test_what_is_no_number_is_filled_and_said(tmp_path: Path) -> None:
    values = RAMP.astype(np.float32).copy()
    values[0, :3] = np.nan, np.inf, -np.inf
    levels = read_image(save(tmp_path / "a.tif", values), Decode((32, 32), 1, value_range=(0.0, 1.0)))[0]
    assert levels[0, :3].tolist() == [0, 255, 0]
    assert torch.equal(levels[1:], levels[1:2].expand(31, -1)), "the other pixels are as without"
    for odd in (np.nan, np.inf):
        root = halves(tmp_path / str(odd), 0, 1, np.float32, ".tif", odd)
        with collecting() as found:
            assert decode_of(bundle(root)).value_range == pytest.approx((0, 1), abs=0.1)
        assert [notice.kind for notice in found] == ["not_finite"]
        assert "001.tif" in found[0].text or "1.tif" in found[0].text


def test_a_few_far_values_are_said_and_the_advice_helps(tmp_path: Path) -> None:
    root = halves(tmp_path / "set", 0, 1, np.float32, ".tif", -9999)
    with collecting() as told:
        bundle(root)
    found = [notice for notice in told if notice.kind != "large_group"]  # the dark ones look alike
    assert [notice.kind for notice in found] == ["levels_lost"]
    advised = found[0].text.partition("dataset.value_range: [")[2].partition("]")[0].split(", ")
    with collecting() as told:
        data = bundle(root, value_range=(float(advised[0]), float(advised[1])))
    assert all(notice.kind == "large_group" for notice in told)
    assert len(data.sources["train"][0].unique()) > 1
    assert decode_of(data).value_range == (0, 1)


def test_a_set_that_mixes_depths_is_read_on_the_scale_of_its_types(tmp_path: Path) -> None:
    root = halves(tmp_path / "set", 0, 60000, np.uint16, ".png")
    halves(root, 0, 200, np.uint8, "b.png")
    with collecting() as found:
        data = bundle(root)
    assert [notice.kind for notice in found] == ["mixed_depths"]
    assert decode_of(data).value_range == (0, 65535)
    assert "16 of 32 pictures" in found[0].text


def test_the_range_is_that_of_the_training_part_and_goes_with_the_checkpoint(tmp_path: Path, cnncli: Cli) -> None:
    halves(tmp_path / "set" / "train", 100, 200, np.uint16, ".png")
    halves(tmp_path / "set" / "test", 0, 60000, np.uint16, ".png")
    data = bundle(tmp_path / "set")
    assert decode_of(data).value_range == pytest.approx((100, 200), abs=3)
    config = tmp_path / "c.yaml"
    config.write_text(
        "dataset: {name: image_folder, root: set/train, image_size: 16, channels: 1, batch_size: 4, "
        "val_fraction: 0.25}\n"
        "model: simple_cnn\ntrain: {epochs: 6}\ndevice: cpu\n"
    )
    assert cnncli("train", config, "--name", "a/1").code == 0
    assert '"accuracy": 1.0' in cnncli("eval", "--ckpt", "runs/a/1", "--split", "val", "--json").out
    answer = cnncli("predict", "--ckpt", "runs/a/1", "set/train", "--format", "csv").out.splitlines()[1:]
    assert all(row.split(",")[0].split("/")[-2] == row.split(",")[1] for row in answer)


def test_the_result_is_the_same_with_and_without_the_cache(tmp_path: Path) -> None:
    root = halves(tmp_path / "set", 100, 900, np.uint16, ".png", 60000)
    seen = []
    for cache in (True, True, False):
        with collecting() as found:
            data = bundle(root, cache=cache)
        kept = torch.stack([data.sources["train"][i] for i in range(len(data.sources["train"]))])
        seen.append((decode_of(data), found, kept))
    for decode, found, kept in seen[1:]:
        assert decode == seen[0][0]
        assert found == seen[0][1]
        assert torch.equal(kept, seen[0][2])


def test_a_range_that_is_none_is_refused(tmp_path: Path) -> None:
    root = halves(tmp_path / "set", 100, 900, np.uint16, ".png")
    with pytest.raises(ConfigError, match=r"dataset\.value_range \[5\.0, 5\.0\]: the first value must be below"):
        bundle(root, value_range=(5.0, 5.0))


def test_four_channels_keep_what_is_transparent(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (8, 8, 4), dtype=np.uint8)
    path = save(tmp_path / "a.png", values)
    assert torch.equal(read_image(path, Decode((8, 8), 4)), torch.from_numpy(values).permute(2, 0, 1))
    opaque = read_image(save(tmp_path / "b.png", values[..., :3]), Decode((8, 8), 4))
    assert opaque[3].min() == 255


@pytest.mark.parametrize("shape", [(8, 8, 5), (5, 8, 8)])
def test_arrays_of_more_channels_are_read_where_they_are_asked_for(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = save(tmp_path / "a.npy", values)
    planes = torch.from_numpy(values if shape[0] == 5 else np.moveaxis(values, 2, 0).copy())
    assert torch.equal(read_image(path, Decode((8, 8), 5)), planes)
    with pytest.raises(
        DataError, match=r"a\.npy: has 5 channels where dataset\.channels is 3; set dataset.channels: 5"
    ):
        read_image(path, Decode((8, 8), 3))
    assert open_image(path, stretched=True).size == (8, 8)


def test_a_set_of_five_channels_trains_and_answers(tmp_path: Path, cnncli: Cli) -> None:
    rng = np.random.default_rng(0)
    for number, name in enumerate(("a", "b")):
        for i in range(12):
            values = rng.integers(0, 60, (16, 16, 5), dtype=np.uint8)
            values[..., 4] += np.uint8(150 * number)
            save(tmp_path / "set" / name / f"{i}.npy", values)
    (tmp_path / "c.yaml").write_text(
        "dataset: {name: image_folder, root: set, image_size: 16, channels: 5, batch_size: 8, val_fraction: 0.25}\n"
        "model: simple_cnn\ntrain: {epochs: 4}\ndevice: cpu\n"
    )
    trained = cnncli("train", "c.yaml", "--name", "a/1")
    assert (trained.code, cnncli("data", "check", "c.yaml").code) == (0, 0), trained.err
    assert '"accuracy": 1.0' in cnncli("eval", "--ckpt", "runs/a/1", "--split", "val", "--json").out
    assert cnncli("predict", "--ckpt", "runs/a/1", "set").code == 0
    wrong = cnncli("train", "c.yaml", "dataset.channels=3", "--name", "a/2")
    assert wrong.code == 3
    assert "set dataset.channels: 5" in wrong.err


def test_channels_of_tiff_that_would_be_cut_are_refused(tmp_path: Path) -> None:
    values = np.zeros((8, 8, 4), np.uint8)
    Image.fromarray(values).save(tmp_path / "a.tif")
    content = (tmp_path / "a.tif").read_bytes()
    entry = content.find(b"\x52\x01\x03\x00\x01\x00\x00\x00\x02")  # ExtraSamples: 2, alpha; 0 is anything
    assert entry > 0
    (tmp_path / "a.tif").write_bytes(content[: entry + 8] + b"\0" + content[entry + 9 :])
    with pytest.raises(DataError, match=r"a\.tif: has 4 channels, of which 3 can be read from TIFF; save it as \.npy"):
        read_image(tmp_path / "a.tif", Decode((8, 8), 3))


def test_pickled_and_impossible_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[{}]]), allow_pickle=True)
    np.save(tmp_path / "b.npy", np.zeros(5))
    (tmp_path / "c.npy").write_bytes((tmp_path / "b.npy").read_bytes()[:100])
    for name in "abc":
        with pytest.raises(
            DataError, match=rf"{name}\.npy: cannot be read as a picture \(.+\); fix or remove the file"
        ):
            read_image(tmp_path / f"{name}.npy", Decode((8, 8), 1))


def test_several_frames_and_colours_of_16_bits_are_said(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "green")]
    for name in ("x", "y"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i, ending in enumerate((".gif", ".tif", ".png", ".webp")):
            frames[0].save(tmp_path / "set" / name / f"{i}{ending}", save_all=True, append_images=frames[1:])
    with collecting() as found:
        data = bundle(tmp_path / "set", channels=3)
    assert [notice.kind for notice in found] == ["several_frames"]
    assert "8 files have several frames or pages" in found[0].text
    assert all(data.sources["train"][i][0].min() > 200 for i in range(len(data.sources["train"]))), "the first is red"


def test_check_says_when_levels_are_lost_and_thermal_pictures_are_not_flat(tmp_path: Path, cnncli: Cli) -> None:
    halves(tmp_path / "set", 7000, 7150, np.uint16, ".png")
    fine = cnncli("data", "check", "set")
    assert "one colour all over" not in fine.out
    assert fine.code == 0
    halves(tmp_path / "far", 0, 1, np.float32, ".tif", 9999)
    lost = cnncli("data", "check", "far")
    assert "dataset.value_range: [" in lost.out + lost.err


def test_transparency_that_is_not_kept_is_said(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name in ("left", "right"):
        for i in range(8):
            save(tmp_path / "set" / name / f"{i}.png", generator.integers(0, 256, (16, 16, 4), dtype=np.uint8))
    with collecting() as found:
        bundle(tmp_path / "set", channels=3)
    assert [notice.kind for notice in found] == ["transparent"]
    assert "16 pictures have a channel for transparency, first " in found[0].text
    with collecting() as found:
        assert bundle(tmp_path / "set", channels=4).spec.input_shape == (4, 16, 16)
    assert not found
