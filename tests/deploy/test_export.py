"""What is exported answers as its checkpoint, and what does not is refused without a trace."""

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cnncli.cli.app import run
from cnncli.deploy.export import Request, export
from cnncli.deploy.formats import described, with_description
from cnncli.inference.predictor import load_predictor
from cnncli.runs.checkpoint import Checkpoint, save_checkpoint
from cnncli.training.build import open_data
from cnncli.training.configs import load_config
from cnncli.training.display import Display
from cnncli.training.network import build_model, build_task
from tests.conftest import TINY, Answer, make_pictures

onnx = pytest.importorskip("onnx")
Cnncli = Callable[..., Answer]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is trained once for all tests here."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(TINY)
    with contextlib.chdir(folder):
        assert run(["train", "tiny.yaml", "--name", "tiny/a", "precision=fp32"]) == 0
    return folder / "runs"


@pytest.fixture
def trained(run_folder: Path, tmp_path: Path) -> str:
    """The run in the test's own folder."""
    shutil.copytree(run_folder, tmp_path / "runs")
    return "runs/tiny/a"


@pytest.mark.parametrize("form", ["onnx", "pt2", "safetensors"])
def test_each_format_is_written_and_verified(cnncli: Cnncli, trained: str, form: str) -> None:
    found = cnncli("export", trained, "--format", form, "--json")
    assert found.code == 0, found.err
    assert found.json["difference"] < 1e-4
    file = found.json["file"]
    again = cnncli("export", trained, "--verify", file)
    assert again.code == 0, again.err
    assert "largest difference" in again.out
    assert json.loads(Path("exported/model.json").read_text())["classes"] == list("0123456789")


def test_the_description_names_no_path_of_the_machine(cnncli: Cnncli, trained: str, tmp_path: Path) -> None:
    assert cnncli("export", trained).code == 0
    content = Path("exported/model.onnx").read_bytes()
    assert str(tmp_path).encode() not in content
    assert b"site-packages" not in content
    assert str(Path(__file__).parent.parent.parent).encode() not in content


def altered(path: Path, change: Callable[[Any], None]) -> None:
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)


def last_weights(model: Any) -> Any:
    """The tensor of the last layer's weights."""
    names = {value for node in model.graph.node if node.op_type in ("Gemm", "MatMul") for value in node.input}
    return [tensor for tensor in model.graph.initializer if tensor.name in names and len(tensor.dims) == 2][-1]


def move_a_row(model: Any) -> None:
    tensor = last_weights(model)
    values = onnx.numpy_helper.to_array(tensor).copy()
    row = values[3] if tensor.dims[0] == 10 else values[:, 3]
    row += values.std()
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def swap_statistics(model: Any) -> None:
    mean, std = (next(t for t in model.graph.initializer if t.name.endswith(name)) for name in ("mean", "std"))
    first, second = (onnx.numpy_helper.to_array(t) for t in (mean, std))
    for tensor, values in ((mean, second), (std, first)):
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


@pytest.mark.parametrize("change", [move_a_row, swap_statistics])
def test_a_file_that_was_altered_is_refused(cnncli: Cnncli, trained: str, change: Callable[[Any], None]) -> None:
    assert cnncli("export", trained).code == 0
    altered(Path("exported/model.onnx"), change)
    found = cnncli("export", trained, "--verify", "exported/model.onnx")
    assert found.code == 4
    assert "does not answer as the checkpoint does" in found.err


def test_altered_weights_alone_are_refused(cnncli: Cnncli, trained: str) -> None:
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    assert cnncli("export", trained, "--format", "safetensors").code == 0
    path = "exported/model.safetensors"
    with safe_open(path, "pt") as file:
        about = file.metadata()
    weights = load_file(path)
    name = [name for name, value in weights.items() if value.ndim == 2][-1]
    weights[name][3] += weights[name].std()
    save_file(weights, path, metadata=about)
    found = cnncli("export", trained, "--verify", path)
    assert found.code == 4
    assert "does not answer as the checkpoint does" in found.err


@pytest.mark.parametrize(
    ("name", "value"), [("classes", tuple("1023456789")), ("temperature", 2.0), ("thresholds", (0.5,))]
)
def test_another_description_is_refused(cnncli: Cnncli, trained: str, name: str, value: Any) -> None:
    from dataclasses import replace

    assert cnncli("export", trained).code == 0
    path = Path("exported/model.onnx")
    with_description(path, replace(described(path), **{name: value}))
    found = cnncli("export", trained, "--verify", path)
    assert found.code == 4
    assert f"'{name}' in its description differs" in found.err


def test_another_temperature_inside_the_graph_is_refused(cnncli: Cnncli, trained: str) -> None:
    from dataclasses import replace

    from cnncli.runs.checkpoint import load_checkpoint, save_checkpoint

    assert cnncli("export", trained).code == 0
    path = Path(trained) / "best.pt"
    checkpoint = load_checkpoint(path)
    save_checkpoint(path, replace(checkpoint, calibration={**checkpoint.calibration, "temperature": 3.0}))
    exported, found = Path("exported/model.onnx"), described(Path("exported/model.onnx"))
    assert found.own is not None
    own = replace(found.own, calibration={**found.own.calibration, "temperature": 3.0})
    with_description(exported, replace(found, temperature=3.0, own=own))  # the words say the same as the checkpoint
    verified = cnncli("export", trained, "--verify", exported)
    assert verified.code == 4
    assert "does not answer" in verified.err


def test_an_export_that_differs_leaves_nothing_behind(
    cnncli: Cnncli, trained: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("cnncli.deploy.parity.LIMIT", 0.0)
    monkeypatch.setattr("cnncli.deploy.parity.require_parity.__defaults__", (-1.0,))
    before = sorted(tmp_path.rglob("*"))
    assert cnncli("export", trained).code == 4
    assert sorted(tmp_path.rglob("*")) == before


def test_a_network_that_is_too_large_for_an_onnx_file_is_refused(
    cnncli: Cnncli, trained: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnncli.deploy.formats.LARGEST", 1000)
    found = cnncli("export", trained)
    assert found.code == 2
    assert "choose another --format" in found.err
    assert not Path("exported").exists()


def test_a_folder_with_something_else_is_left_alone(cnncli: Cnncli, trained: str, tmp_path: Path) -> None:
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "thesis.txt").write_text("years of work")
    found = cnncli("export", trained)
    assert found.code == 2
    assert "holds something else" in found.err
    assert [path.name for path in (tmp_path / "exported").iterdir()] == ["thesis.txt"]


def test_a_file_of_the_user_s_beside_an_export_is_not_lost(cnncli: Cnncli, trained: str) -> None:
    assert cnncli("export", trained, "--format", "web").code == 0
    assert cnncli("export", trained, "--format", "web").code == 0  # all that is there is an export's
    Path("exported/predict.py").write_text("print('mine')")
    found = cnncli("export", trained)
    assert found.code == 2
    assert "'predict.py'" in found.err
    assert Path("exported/predict.py").exists()


def test_an_export_takes_the_place_of_an_earlier_one(cnncli: Cnncli, trained: str) -> None:
    assert cnncli("export", trained, "--format", "pt2").code == 0
    assert cnncli("export", trained).code == 0
    assert sorted(path.name for path in Path("exported").iterdir() if path.name.startswith("model.")) == [
        "model.json",
        "model.onnx",
    ]


def test_eight_bits_are_smaller_and_judged_before_and_after(cnncli: Cnncli, trained: str) -> None:
    found = cnncli("export", trained, "--quantize", "int8", "--max-loss", "50", "--json")
    assert found.code == 0, found.err
    assert 0 <= found.json["int8"]["after"] <= 1
    assert found.json["int8"]["metric"] == "accuracy"
    assert cnncli("export", trained, "--verify", "exported/model.onnx", "--max-loss", "50").code == 0


def test_eight_bits_that_cost_too_much_are_refused(
    cnncli: Cnncli, trained: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnncli.deploy.export.loss_of", lambda *_: 1.5)
    found = cnncli("export", trained, "--quantize", "int8")
    assert found.code == 4
    assert "1.50 points are lost, and 1 are allowed" in found.err
    assert not Path("exported").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--format", "onxx"), "did you mean 'onnx'"),
        (("--quantize", "int4"), "only int8"),
        (("--format", "pt2", "--quantize", "int8"), "leave it out"),
        (("--verify", "nothing.onnx"), "no such file"),
        (("--verify", "model.h5"), "is no exported network"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(cnncli: Cnncli, trained: str, args: tuple[str, ...], said: str) -> None:
    found = cnncli("export", trained, *args)
    assert found.code in (2, 4)
    assert said in found.err
    assert "Traceback" not in found.err


PICTURES = """\
name: p
dataset: {{name: image_folder, path: made, image_size: {size}, batch_size: 2, val_fraction: 0.5}}
model: {{name: {model}}}
"""
OWN = ["airbench", "cifar_net", "depthwise_cnn", "resnet8", "simple_cnn", "mlp", "linear"]
FAMILIES = {
    "alexnet": 64, "convnext_tiny": 64, "densenet121": 64, "efficientnet_b0": 64, "googlenet": 64, "inception_v3": 96,
    "maxvit_t": 224, "mnasnet0_5": 64, "mobilenet_v3_small": 64, "regnet_x_400mf": 64, "resnet18": 64,
    "shufflenet_v2_x0_5": 64, "squeezenet1_1": 64, "swin_t": 64, "vgg11": 64, "vit_b_32": 64,
}  # fmt: skip


def largest_difference(folder: Path, model: str, size: int) -> float:
    """Of a network with random weights, exported and compared with its checkpoint on a few pictures."""
    make_pictures(folder / "made", {"ants": 8, "bees": 8}, size=(size, size))
    (folder / "p.yaml").write_text(PICTURES.format(model=model, size=size))
    config = load_config(folder / "p.yaml", ["device=cpu", "precision=fp32"]).config
    display = Display(quiet=True)
    data = open_data(config, display.track)
    torch.manual_seed(0)
    weights = build_model(config, data.spec).state_dict()
    calibration = build_task(config, data.spec, torch.device("cpu")).calibration.to_dict()
    save_checkpoint(folder / "best.pt", Checkpoint(config, data.spec, weights, {}, calibration, members=data.members))
    predictor = load_predictor(folder / "best.pt", ["device=cpu", "precision=fp32"])
    return export(predictor, Request(out=folder / "exported", samples=7), display).parity.largest


@pytest.mark.slow
@pytest.mark.parametrize("model", OWN)
def test_every_network_of_cnncli_is_exported(tmp_path: Path, model: str) -> None:
    assert largest_difference(tmp_path, model, 32) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("model", FAMILIES)
def test_one_network_of_each_family_of_torchvision_is_exported(tmp_path: Path, model: str) -> None:
    assert largest_difference(tmp_path, model, FAMILIES[model]) < 1e-4
