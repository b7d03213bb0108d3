"""Your own parts: a decorator in a Python file that the config names."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_cli import process
from tests.conftest import Answer, forget_plugins

Cli = Callable[..., Answer]

PLUGIN = """\
from torch import nn

from cnncli.core import registry


@registry.models.register("two_layers")
def two_layers(spec, /, width: int = 32):
    "Flatten, one hidden layer."
    features = spec.input_shape[0] * spec.input_shape[1] * spec.input_shape[2]
    return nn.Sequential(nn.Flatten(), nn.Linear(features, width), nn.ReLU(), nn.Linear(width, spec.num_outputs))
"""


@pytest.mark.slow
def test_a_network_of_ones_own_is_a_decorator_in_a_file(
    cnncli: Cli, write_config: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "own_net.py").write_text(PLUGIN)
    path = write_config(
        "plugins: [own_net.py]\ndataset: digits\nmodel: {name: two_layers, width: 8}\ntrain: {epochs: 1}\n"
        "logging: {tensorboard: false}\n"
    )
    answer = cnncli("train", path, "--name", "own/one", "--json")
    assert answer.code == 0, answer.err
    # a process that has not seen the plug-in: a checkpoint never makes one run, the user does
    without = process("eval", "--ckpt", "runs/own/one/best.pt")
    assert without.returncode == 4
    assert "name it with --plugin" in without.stderr
    given = process("eval", "--ckpt", "runs/own/one/best.pt", "--plugin", "own_net.py", "--json")
    assert given.returncode == 0, given.stderr
    assert json.loads(given.stdout)["metrics"]["test"] == answer.json["metrics"]["test"]
    forget_plugins()
    (tmp_path / "own_net.py").write_text(PLUGIN.replace("nn.ReLU()", "nn.Relu()"))
    broken = cnncli("train", path)
    assert broken.code == 2
    assert broken.err.startswith(f"error: {tmp_path / 'own_net.py'}:10: AttributeError: module 'torch.nn'")
    forget_plugins()
    wrong = cnncli("train", path, "model.widht=3")
    assert wrong.code == 2
    assert "did you mean 'width'" in wrong.err


EVERY_KIND = """\
import torch
from torch import nn

from cnncli.core import registry
from cnncli.data.pictures import PictureData
from cnncli.data.sources import ArraySource
from cnncli.tasks.classification import Classification


@registry.datasets.register("own_data")
def own_data(samples: int = 60) -> PictureData:
    "Two classes: dark and bright."
    targets = torch.arange(samples) % 2
    images = (targets.view(-1, 1, 1, 1) * 200).expand(-1, 1, 6, 6).to(torch.uint8).contiguous()
    return PictureData(("dark", "bright"), train=ArraySource(images, targets), test=ArraySource(images, targets))


@registry.losses.register("own_loss")
class OwnLoss(nn.Module):
    "Cross-entropy times a factor."

    def __init__(self, factor: float = 2.0):
        super().__init__()
        self.factor = factor

    def forward(self, logits, targets):
        return self.factor * nn.functional.cross_entropy(logits, targets)


@registry.optimizers.register("own_sgd")
def own_sgd(parameters, /, lr: float = 0.1):
    "Plain SGD."
    return torch.optim.SGD(parameters, lr=lr)


@registry.schedulers.register("own_schedule")
def own_schedule(plan, /, gamma: float = 0.5):
    "Half an epoch, half the step."
    return torch.optim.lr_scheduler.ExponentialLR(plan.optimizer, gamma)


@registry.transforms.register("own_transform")
def own_transform(size, /, level: int = 3):
    "A little light."
    return lambda images, draws: images + level


@registry.activations.register("own_activation")
class OwnActivation(nn.Module):
    "x squared."

    def forward(self, x):
        return x * x


@registry.layers.register("own_layer")
def own_layer(reaching, /):
    "Twice the values."
    return nn.Identity()


@registry.tasks.register("own_task")
class OwnTask(Classification):
    "Classification by another name."
"""


def test_every_kind_of_part_can_be_a_plug_in(cnncli: Cli, write_config: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "every_kind.py").write_text(EVERY_KIND)
    path = write_config(
        "plugins: [every_kind.py]\n"
        "dataset: {name: own_data, samples: 80, batch_size: 16, augment: [{name: own_transform, level: 5}]}\n"
        "model: {name: layers, layers: [own_layer, flatten, {name: linear, features: 4}, own_activation, linear]}\n"
        "task: own_task\nloss: {name: own_loss, factor: 3.0}\noptimizer: own_sgd\nscheduler: {name: own_schedule}\n"
        "train: {epochs: 2}\nlogging: {tensorboard: false}\n"
    )
    answer = cnncli("train", path, "--json", "--name", "own/kinds")
    assert answer.code == 0, answer.err
    assert answer.json["metrics"]["test"]["n"] == 80
    lines = [json.loads(line) for line in Path("runs/own/kinds/metrics.jsonl").read_text().splitlines()]
    assert [line["lr"] for line in lines] == [0.1, 0.05]


@pytest.mark.parametrize(
    ("kind", "code", "section", "cause"),
    [
        ("tasks", "def own(spec, loss, targets, device, /): pass", "task: own",
         r"own.py:5: 'own' is no class; a task is a class with wants, .*, loss, .*, predictions"),
        ("tasks", "class own: wants = 'classes'", "task: own", r"own.py:5: task 'own' lacks .*; add them to the class"),
        ("models", "def own(spec, /): pass", "model: own", r"gives NoneType, which is no model \(it has no 'forward'"),
        ("layers", "def own(reaching, /): return 3", "model: {name: layers, layers: [own, flatten, linear]}",
         r"model.layers.0: own: gives int, which is no layer"),
        ("activations", "def own(): pass", "model: {name: mlp, activation: own}", "which is no activation"),
        ("datasets", "def own(): pass", "dataset: own", "own: gives NoneType, which is no data set"),
        ("losses", "def own(): pass", "loss: own", "'NoneType' object is not callable"),
        ("optimizers", "def own(parameters, /): pass", "optimizer: own", "gives NoneType, which is no optimizer"),
        ("schedulers", "def own(plan, /): pass", "scheduler: own", "gives NoneType, which is no scheduler"),
        ("transforms", "def own(size, /): pass", "dataset: {name: digits, augment: [own]}", "is not callable"),
        ("models", "own = 3", "model: own", r"own.py:5: model 'own' is of type int; register a function or class"),
        ("models", "def own(spec, /, x: list['Foo'] = ()): pass", "model: own",
         r"own: its arguments cannot be read \(name 'Foo' is not defined\); change its signature"),
        ("models", "def own(spec, /, x={(1, 2): 3}): pass", "model: own", "own: a default has no form in YAML"),
        ("models", "def own(spec, /): raise KeyError(f'a{chr(10)}b')", "model: own",
         r"own.py:4: KeyError: .*; fix the plug-in"),
        ("models", "def own(spec, /): raise SystemExit(0)", "model: own",
         r"own.py:4: SystemExit: 0; fix the plug-in"),
        ("models", "raise SystemExit(3)", "model: own", r"own.py:4: the plug-in ends the program while it is read"),
        ("models", "registry.models.register(print)", "model: own", r"own.py:4: a model is registered without a name"),
    ],
)  # fmt: skip
def test_a_part_that_is_none_is_explained_in_one_line(
    kind: str, code: str, section: str, cause: str, cnncli: Cli, write_config: Callable[..., Path], tmp_path: Path
) -> None:
    header = "import torch\nfrom cnncli.core import registry\n\n"
    (tmp_path / "own.py").write_text(f"{header}{code}\nregistry.{kind}.register('own', 'x')(own)\n")
    sections = {"dataset": "digits", "model": "mlp"} | dict([section.split(": ", 1)])
    path = write_config("plugins: [own.py]\n" + "".join(f"{key}: {value}\n" for key, value in sections.items()))
    answer = cnncli("train", path, "--dry-run")
    assert answer.code == 2
    assert re.fullmatch(rf"error: .*{cause}.*\n", answer.err), answer.err


def test_what_a_plug_in_suggests_is_checked(cnncli: Cli, write_config: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from cnncli.core import registry\n\n\n"
        "@registry.datasets.register('own', suggests={'loss': 3, 'checkpoint.every': 'x'})\n"
        "def own():\n    'Nothing.'\n"
    )
    answer = cnncli("config", write_config("plugins: [own.py]\ndataset: own\nmodel: mlp\n"))
    assert answer.code == 2
    first, second = answer.err.splitlines()
    assert "loss.name: 3 should be a valid string" in first
    assert "checkpoint.every: 'x' should be a valid integer" in second


CONFIG = (
    "plugins: [{}]\ndataset: digits\nmodel: {}\ntrain: {{epochs: 1}}\n"
    "logging: {{tensorboard: false, samples: false, pictures: false}}\n"
)
NEIGHBOUR = "from torch import nn\n\n\ndef head(a, b):\n    return nn.Linear(a, b)\n"
IMPORTING = """\
from math import prod
from torch import nn
from cnncli.core import registry
{top}
@registry.models.register("{name}")
def net(spec, /):
    "A net."
    {inside}
    return nn.Sequential(nn.Flatten(), head(prod(spec.input_shape), spec.num_outputs))
"""


@pytest.mark.parametrize("where", ["top", "inside"])
@pytest.mark.parametrize("package", [False, True])
def test_a_plugin_imports_what_lies_beside_it(
    where: str, package: bool, cnncli: Cli, write_config: Callable[..., Path], tmp_path: Path
) -> None:
    name = f"beside_{where}_{package}".lower()
    folder = tmp_path / "own parts"
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py" if package else folder / f"{name}.py").write_text(NEIGHBOUR)
    if not package:
        (folder / name).rmdir()
    parts = {"top": "", "inside": ""} | {where: f"from {name} import head"}
    (folder / "net.py").write_text(IMPORTING.format(name=name, **parts))
    answer = cnncli("train", write_config(CONFIG.format("own parts/net.py", name)), "--json")
    assert answer.code == 0, answer.err


def test_each_plugin_gets_its_own_neighbour_of_a_name_that_two_have(tmp_path: Path) -> None:
    from cnncli.core.plugins import PLUGIN_PREFIX, load_plugin

    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "neighbour_of_two.py").write_text(f"VALUE = '{folder}'\n")
        (tmp_path / folder / f"{folder}.py").write_text("from neighbour_of_two import VALUE\n")
        load_plugin(tmp_path / folder / f"{folder}.py")
    found = {m.VALUE for name, m in sys.modules.items() if name.startswith(PLUGIN_PREFIX)}
    assert found == {"one", "two"}


ENDING = {
    "leave": "raise SystemExit",
    "silent": "import sys\nsys.exit(0)",
    "told": "import sys\nsys.exit('no gpu here')",
    "arguments": "import argparse\nargparse.ArgumentParser().parse_args()",
    "help": "import argparse\nargparse.ArgumentParser().parse_args(['-h'])",
    "base": "raise BaseException('x')",
    "zero": "1/0",
}


@pytest.mark.parametrize("kind", ENDING)
def test_a_plugin_that_ends_the_program_is_named(
    kind: str, cnncli: Cli, write_config: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin, path = tmp_path / f"{kind}.py", write_config(CONFIG.format(f"{kind}.py", "mlp"))
    plugin.write_text(ENDING[kind] + "\n")
    monkeypatch.setattr("sys.argv", ["cnncli", "train", str(path)])
    answer = cnncli("train", path)
    assert answer.code == 2
    assert str(plugin) in answer.err.splitlines()[-1]
    assert not (tmp_path / "runs").exists()
    if "if __name__ == '__main__':" in answer.err:  # the advice, followed
        code = ENDING[kind].replace("\n", "\n    ")
        plugin.write_text(f"if __name__ == '__main__':\n    {code}\n")
        followed = cnncli("train", path)
        assert followed.code == 0, followed.err
