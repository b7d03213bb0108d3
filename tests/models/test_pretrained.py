"""Weights that others have trained: found, read, and put into a network without its head."""

import gc
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from torch import nn

from cnncli.config.catalog import fill_registries
from cnncli.core.errors import CheckpointError, ConfigError, StorageError
from cnncli.core.registry import models
from cnncli.core.spec import DataSpec, Pictures
from cnncli.models import pretrained
from cnncli.models.blocks import find_blocks, find_head
from cnncli.models.downloads import fetch
from cnncli.models.pretrained import expected_by, model_of, published_weights, read_weights, transfer
from tests.served import served

fill_registries()
FAMILIES = {
    "alexnet": "classifier.6", "convnext_tiny": "classifier.2", "densenet121": "classifier",
    "efficientnet_b0": "classifier.1", "googlenet": "fc", "maxvit_t": "classifier.5", "mnasnet0_5": "classifier.1",
    "mobilenet_v3_small": "classifier.3", "regnet_y_400mf": "fc", "resnet18": "fc", "shufflenet_v2_x0_5": "fc",
    "squeezenet1_1": "classifier.1", "swin_t": "head", "vgg11": "classifier.6", "vit_b_32": "heads.head",
    "simple_cnn": "9", "resnet8": "8",
}  # fmt: skip


def spec(channels: int = 3, size: int = 224, classes: int = 5) -> DataSpec:
    names = tuple(map(str, range(classes)))
    return DataSpec((channels, size, size), names, Pictures((0.0,) * channels, (1.0,) * channels))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache; the network is out of reach."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(("name", "head"), FAMILIES.items())
def test_the_head_is_found_and_every_parameter_is_in_one_block(name: str, head: str) -> None:
    with torch.device("cpu" if name.startswith("regnet") else "meta"):  # a regnet reckons with tensors of its own
        model = models.build(name, spec())
    assert find_head(model, 5) == head
    blocks = find_blocks(model, head)
    counted = Counter(id(parameter) for block in blocks for parameter in block.parameters)
    assert set(counted.values()) == {1}
    of_head = {id(parameter) for parameter in model.get_submodule(head).parameters()}
    assert set(counted) | of_head == {id(parameter) for parameter in model.parameters()}
    assert not set(counted) & of_head
    moving = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d | nn.Dropout)]
    frozen = {id(part) for block in blocks for module in block.modules for part in module.modules()}
    assert all(id(module) in frozen for module in moving), "freezing all blocks freezes every statistic"


def test_residual_blocks_and_encoder_layers_are_blocks() -> None:
    with torch.device("meta"):
        resnet, vit = (models.build(name, spec()) for name in ("resnet18", "vit_b_32"))
    names = [block.name for block in find_blocks(resnet, "fc")]
    assert names == ["conv1", "bn1", *(f"layer{i}.{j}" for i in (1, 2, 3, 4) for j in (0, 1))]
    first = find_blocks(vit, "heads.head")[0]
    assert first.name == "conv_proj"
    assert any(parameter is vit.class_token for parameter in first.parameters)


def test_a_network_without_a_head_of_that_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not end in a layer of 5 values"):
        find_head(nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Linear(5, 7)), 5)


def test_weights_go_everywhere_but_into_the_head() -> None:
    torch.manual_seed(0)
    source, target = (models.build("resnet8", spec(size=16)) for _ in range(2))
    before = {key: value.clone() for key, value in target.state_dict().items()}
    found = transfer(target, source.state_dict(), "8", "a file")
    for key, value in target.state_dict().items():
        expected = before if key.startswith("8.") else source.state_dict()
        assert torch.equal(value, expected[key]), key
    assert found.replaced == ["8.weight", "8.bias"] == found.left_out
    parameters = sum(value.numel() for key, value in target.named_parameters() if not key.startswith("8."))
    statistics = sum(value.numel() for value in target.buffers())
    counts = f"{parameters:,} parameters and {statistics:,} BatchNorm statistics"
    assert str(found) == f"{found.loaded} tensors loaded ({counts}); new: 8.weight, 8.bias"
    more = transfer(target, {**source.state_dict(), "extra": torch.zeros(1)}, "8", "a file")
    assert str(more).endswith("; new: 8.weight, 8.bias; left out: extra")


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod."])
def test_wrappers_of_other_programs_are_taken_off(prefix: str) -> None:
    source, target = (models.build("resnet8", spec(size=16)) for _ in range(2))
    transfer(target, {prefix + key: value for key, value in source.state_dict().items()}, "8", "a file")
    assert torch.equal(target[0].weight, source[0].weight)


@pytest.mark.parametrize(("ours", "theirs"), [(1, 3), (3, 1)])
def test_a_network_of_grey_pictures_takes_and_gives_weights_of_colour(ours: int, theirs: int) -> None:
    target, source = (models.build("resnet18", spec(channels)) for channels in (ours, theirs))
    head = find_head(target, 5)
    transfer(target, source.state_dict(), head, "a file")
    inner, other = target[1] if ours == 1 else target, source[1] if theirs == 1 else source
    assert torch.equal(inner.conv1.weight, other.conv1.weight)


def test_weights_of_another_network_are_refused_with_what_does_not_fit() -> None:
    target = models.build("resnet8", spec(size=16))
    with pytest.raises(CheckpointError, match=r"a file: does not fit the network \(0.weight is \(32, 3, 3, 3\), not"):
        transfer(target, models.build("resnet8", spec(size=16), width=32).state_dict(), "8", "a file")
    with pytest.raises(CheckpointError, match=r"0.weight, 1.weight, 1.bias, .* missing"):
        transfer(target, {"conv1.weight": torch.zeros(1)}, "8", "a file")


def test_torchvisions_weights_come_from_where_torchs_hub_keeps_them(hub: Path) -> None:
    torch.manual_seed(0)
    original = models.build("resnet18", spec(classes=1000))
    torch.save(original.state_dict(), hub / "resnet18-f37072fd.pth")
    weights = published_weights("resnet18", None, 5, 3)
    assert torch.equal(weights["layer4.1.conv2.weight"], original.layer4[1].conv2.weight)


def test_what_torchvisions_weights_expect_is_known_without_them() -> None:
    resnet, swin, old = (expected_by(name) for name in ("resnet18", "swin_t", "googlenet"))
    assert (resnet.image_size, resnet.resize, resnet.interpolation) == (224, 256, "bilinear")
    assert resnet.mean == (0.485, 0.456, 0.406)
    assert (swin.image_size, swin.resize, swin.interpolation) == (224, 232, "bicubic")
    assert old.mean == old.std == (0.5, 0.5, 0.5)


def test_googlenets_own_normalisation_is_the_one_given_here() -> None:
    from torchvision.models import googlenet

    model = googlenet(weights=None, transform_input=True, aux_logits=False, init_weights=False)
    preset = pretrained._default_weights("googlenet").transforms()
    pixels = torch.rand(2, 3, 8, 8)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (preset.mean, preset.std))
    ours = (pixels - 0.5) / 0.5
    torch.testing.assert_close(model._transform_input((pixels - mean) / std), ours)


def test_an_unknown_network_gets_the_nearest_name() -> None:
    assert model_of("resnet50") == {"name": "resnet50"}
    with pytest.raises(ConfigError, match="did you mean 'resnet18'"):
        model_of("resnet81")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A folder on loopback and its address."""
    folder = tmp_path / "served"
    folder.mkdir()

    with served(folder) as address:
        yield address, folder


def test_a_download_is_checked_kept_and_not_repeated(server: tuple[str, Path], hub: Path) -> None:
    address, folder = server
    content = b"some weights" * 1000
    name = f"net-{sha256(content).hexdigest()[:8]}.pth"
    (folder / name).write_bytes(content)
    assert fetch([f"{address}/{name}"]).read_bytes() == content
    (folder / name).unlink()
    assert fetch([f"{address}/{name}"]) == hub / name


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # urllib's sockets
@pytest.mark.parametrize("fault", ["wrong hash", "not there", "no server"])
def test_a_failed_download_leaves_nothing_and_says_what_to_place_where(
    server: tuple[str, Path], hub: Path, fault: str
) -> None:
    address, folder = server
    if fault == "wrong hash":
        (folder / "net-0123abcd.pth").write_bytes(b"something else")
    if fault == "no server":
        address = "http://127.0.0.1:9"
    with pytest.raises(StorageError) as caught:
        fetch([f"{address}/net-0123abcd.pth"])
    assert f"from {address}/net-0123abcd.pth (" in str(caught.value)
    place = f"place net-0123abcd.pth in '{hub}' (no weights are there yet), or name a file with finetune.weights=FILE"
    assert place in str(caught.value)
    assert list(hub.iterdir()) == []
    del caught
    gc.collect()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04broken", None])
def test_files_that_hold_no_weights_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.pth: (cannot be read|no such file)"):
        read_weights(path)
    torch.save({"epoch": 3}, path)
    with pytest.raises(CheckpointError, match="holds no weights by their names"):
        read_weights(path)


def test_weights_inside_the_files_of_training_programs_are_found(tmp_path: Path) -> None:
    tensors = {"a": torch.ones(2)}
    for key in ("state_dict", "model"):
        torch.save({"epoch": 3, key: tensors}, tmp_path / "a.pth")
        assert torch.equal(read_weights(tmp_path / "a.pth")["a"], tensors["a"])


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file = pytest.importorskip("safetensors.torch").save_file
    save_file({"a": torch.arange(3.0)}, tmp_path / "a.safetensors")
    assert read_weights(tmp_path / "a.safetensors")["a"].tolist() == [0, 1, 2]


def test_a_transformers_positions_fit_pictures_of_another_size() -> None:
    small, large = (models.build("vit_b_32", spec(size=size)) for size in (64, 96))
    weights = pretrained.fit_positions(small.state_dict(), 96, 32)
    transfer(large, weights, "heads.head", "a file")
    assert torch.equal(large.class_token, small.class_token)
    assert weights["encoder.pos_embedding"].shape == (1, 10, 768)


timm = pytest.importorskip("timm")


def test_timms_networks_know_their_pictures_and_take_a_file(tmp_path: Path) -> None:
    expected = expected_by("timm/test_resnet")
    assert expected.image_size == 160
    assert model_of("timm/test_resnet") == {"name": "timm", "architecture": "test_resnet"}
    original = timm.create_model("test_resnet", num_classes=1000)
    torch.save(original.state_dict(), tmp_path / "a.pth")
    weights = published_weights("timm/test_resnet", tmp_path / "a.pth", 5, 3)
    target = models.build("timm", spec(size=160), architecture="test_resnet")
    transfer(target, weights, find_head(target, 5), "a file")
    assert torch.equal(target.conv1[0].weight, original.conv1[0].weight)
    with pytest.raises(ConfigError, match="timm has no network 'resnet81'; did you mean 'resnet18'"):
        model_of("timm/resnet81")


def test_without_timm_a_line_says_how_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(ConfigError, match=r"pip install 'cnncli\[timm\]'"):
        model_of("timm/resnet18")
