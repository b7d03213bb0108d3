"""Every network of the registry is built, gives logits, and takes a training step."""

from itertools import groupby

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnncli.config.catalog import fill_registries
from cnncli.core.errors import ConfigError
from cnncli.core.registry import activations, layers, models
from cnncli.core.spec import DataSpec, Pictures
from cnncli.models.inspect import count_parameters, inspect_layers

fill_registries()
CONV = {"name": "conv", "channels": 4}
NEEDED = {
    "layers": {"layers": [CONV, "relu", "global_pool", "linear"]},
    "timm": {"architecture": "test_resnet"},
}
ZOO = [name for name in models if models.get(name).description.startswith("torchvision's")]
FIRST = {next(names) for _, names in groupby(sorted(ZOO), lambda name: name[:4])}  # of each family
SEQUENCES = {"conv1d", "gru", "lstm", "rnn", "tcn", "transformer"}  # in test_sequences.py
OWN = [name for name in models if name not in ZOO and name not in SEQUENCES]


def spec(shape: tuple[int, ...] = (1, 28, 28), classes: int = 10) -> DataSpec:
    channels = shape[0]
    names = tuple(map(str, range(classes)))
    return DataSpec(shape, names, Pictures((0.0,) * channels, (1.0,) * channels))


def step(model: nn.Module, shape: tuple[int, ...], classes: int, device: str = "cpu") -> torch.Tensor:
    """One SGD step; the logits of the batch."""
    inputs = torch.randn(4, *shape, device=device)
    targets = torch.zeros(4, dtype=torch.long, device=device)
    logits = model.train()(inputs)
    F.cross_entropy(logits, targets).backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    return logits


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 48)])
@pytest.mark.parametrize("name", OWN)
def test_own_networks_train_on_pictures_of_any_size(name: str, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    model = models.build(name, spec(shape, 7), **NEEDED.get(name, {}))
    logits = step(model, shape, 7)
    assert logits.shape == (4, 7)
    assert not any(isinstance(m, nn.Softmax | nn.LogSoftmax) for m in model.modules())
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert all(parameter.grad is not None for parameter in learning), "every parameter takes part"


@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name in FIRST else pytest.mark.slow) for name in ZOO])
def test_torchvisions_networks_step_with_the_datas_classes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 224 if name not in ("inception_v3",) else 299
    # on the meta device shapes and graph are real and only the numbers are missing: 600 million weights at no cost
    # (regnet computes its widths with tensors, so it is built elsewhere first, and its weights are drawn by nobody)
    for draw in ("normal_", "uniform_", "kaiming_uniform_"):
        monkeypatch.setattr(nn.init, draw, lambda tensor, *args, **kwargs: tensor)
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        model = models.build(name, spec((3, size, size), 7)).to("meta")
    with torch.device("meta"):
        assert step(model, (3, size, size), 7, "meta").shape == (4, 7)


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "mobilenet_v3_small"])
def test_torchvisions_networks_take_grey_pictures(name: str) -> None:
    model = models.build(name, spec((1, 64, 64), 3))
    assert step(model, (1, 64, 64), 3).shape == (4, 3)


def test_pictures_that_do_not_fit_a_network_are_explained() -> None:
    with pytest.raises(ConfigError, match="cannot take pictures of 30×30"):
        models.build("vit_b_16", spec((3, 30, 30)))
    with pytest.raises(ConfigError, match="1 or 3 channels"):
        models.build("resnet18", spec((2, 32, 32)))
    with pytest.raises(ConfigError, match="too small"):
        models.build("cifar_net", spec((1, 8, 8)))


@pytest.mark.parametrize(
    ("name", "shape", "parameters"),
    [
        ("mlp", (1, 28, 28), 784 * 128 + 128 + 128 * 10 + 10),
        ("simple_cnn", (1, 28, 28), 320 + 18_496 + 64 * 7 * 7 * 128 + 128 + 1_290),
        ("cnn5x5", (1, 28, 28), 416 + 12_832 + 25_632 + 51_264 + 64 * 7 * 7 * 10 + 10),
        ("cifar_net", (3, 32, 32), 62_006),
        ("lenet5", (1, 28, 28), 61_706),
        ("resnet20", (3, 32, 32), 272_474),
    ],
)
def test_parameter_counts_are_those_of_the_papers(name: str, shape: tuple[int, ...], parameters: int) -> None:
    assert count_parameters(models.build(name, spec(shape))) == parameters


def test_arguments_that_torch_has_renamed_are_offered_by_their_new_names_only() -> None:
    assert set(activations.get("hardtanh").arguments.model_fields) == {"min_val", "max_val"}


@pytest.mark.parametrize("name", list(activations))
def test_every_activation_trains(name: str) -> None:
    needed = {"threshold": {"threshold": 0.1, "value": 0.0}}.get(name, {})
    model = models.build("mlp", spec(), activation={"name": name, **needed})
    logits = step(model, (1, 28, 28), 10)
    assert torch.isfinite(logits).all()


LAYER_ARGS = {"conv": {"channels": 4}, "residual": {"layers": [{"name": "conv", "channels": 6, "stride": 2}, "relu"]}}


@pytest.mark.parametrize("name", list(layers))
def test_every_layer_takes_part_in_a_network(name: str) -> None:
    item = {"name": name, **LAYER_ARGS.get(name, {})}
    first = {"linear": ["flatten"], "whitening": []}
    before = first.get(name, [{"name": "conv", "channels": 8}])
    after = {"linear": [], "flatten": ["linear"], "global_pool": ["linear"]}.get(name, ["flatten", "linear"])
    model = models.build("layers", spec((3, 8, 8)), layers=[*before, item, *after])
    assert step(model, (3, 8, 8), 10).shape == (4, 10)


@pytest.mark.parametrize("kind", ["batch", "group", "instance", "layer"])
def test_every_normalisation_normalises(kind: str) -> None:
    model = models.build(
        "layers", spec((3, 8, 8)), layers=[CONV | {"channels": 8}, {"name": "norm", "kind": kind}, "flatten", "linear"]
    )
    assert step(model, (3, 8, 8), 10).shape == (4, 10)


@pytest.mark.parametrize(
    ("items", "key", "cause"),
    [
        ([CONV, "linear"], "model.layers.1", "linear needs flat values; put 'flatten' or 'global_pool' before it (4"),
        (["flatten", CONV, "linear"], "model.layers.1", "conv needs channels × height × width"),
        ([CONV, "flatten"], "model.layers.1", "the last layer gives 3136, the data want 10 values; end with 'linear'"),
        (["pool"] * 5 + ["flatten", "linear"], "model.layers.4", "pool does not fit: 1×1×1 reached it"),
        ([CONV | {"groups": 3}, "flatten", "linear"], "model.layers.0", "groups=3 must divide the 1 channels"),
        (
            [{"name": "residual", "layers": [CONV, "linear"]}, "flatten", "linear"],
            "model.layers.0.layers.1", "linear needs flat values",
        ),
        ([{"name": "residual", "layers": [CONV, "flatten"]}, "linear"], "model.layers.0", "needs equal dimensions"),
    ],
)  # fmt: skip
def test_a_layer_that_does_not_fit_is_named_with_what_reached_it(items: list[object], key: str, cause: str) -> None:
    with pytest.raises(ConfigError) as caught:
        models.build("layers", spec(), layers=items)
    assert caught.value.faults[0].key == key
    assert cause in str(caught.value)


def test_formulas_give_pytorchs_own_counts() -> None:
    items = [
        {"name": "conv", "channels": 4, "kernel_size": 5},
        {"name": "depthwise_conv", "kernel_size": 5, "multiplier": 2},
        {"name": "conv", "channels": 6, "groups": 2, "bias": False},
        "flatten",
        "linear",
    ]
    model = models.build("layers", spec((3, 8, 8)), layers=items)
    rows = [row for row in inspect_layers(model, (3, 8, 8)) if row.parameters]
    assert [row.parameters for row in rows] == [304, 208, 216, 6 * 64 * 10 + 10]
    assert "(3·5·5 + 1)·4; 76 a slice" in rows[0].formula
    assert "(5·5 + 1)·4·2" in rows[1].formula
    for row in rows:
        numbers = row.formula.split(" = ")[1].split(";")[0].replace("·", "*").replace("C_in", "")
        assert eval(numbers) == row.parameters, row
    assert sum(row.parameters for row in rows) == count_parameters(model)


@pytest.mark.parametrize("name", ["vit_b_16", "swin_t", "convnext_tiny", "resnet20", "squeezenet1_0"])
def test_the_rows_of_inspect_sum_to_all_parameters(name: str) -> None:
    small = name == "resnet20"
    shape = (3, 32, 32) if small else (3, 224, 224)
    model = models.build(name, spec(shape))
    assert sum(row.parameters for row in inspect_layers(model, shape)) == sum(p.numel() for p in model.parameters())
