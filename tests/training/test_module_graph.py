"""The graph of a network: every operation in the module that does it, from the input to the output."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnncli.models  # noqa: F401  # registers the networks
from cnncli.core.registry import models
from cnncli.core.spec import DataSpec
from cnncli.runs.tensorboard import Node
from cnncli.training.known import STATED
from cnncli.training.module_graph import module_graph
from cnncli.training.network import example_inputs

PICTURES, TEXT = STATED.values()
NETWORKS = [("linear", PICTURES), ("mlp", PICTURES), ("simple_cnn", PICTURES), ("depthwise_cnn", PICTURES),
            ("resnet8", PICTURES), ("airbench", PICTURES), ("resnet18", PICTURES), ("lstm", TEXT),
            ("transformer", TEXT)]  # fmt: skip


def leads_to(nodes: list[Node], name: str) -> set[str]:
    """The names of all nodes from which one can come to ``name``."""
    by_name, found, left = {node.name: node for node in nodes}, set(), [name]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += by_name[name].inputs
    return found


@pytest.mark.parametrize(("name", "spec"), NETWORKS, ids=lambda value: value if isinstance(value, str) else "")
def test_the_output_comes_from_the_input_and_from_every_weight(name: str, spec: DataSpec) -> None:
    network = models.build(name, spec).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    nodes = module_graph(network, example_inputs(spec))
    assert len({node.name for node in nodes}) == len(nodes)
    on_the_way = leads_to(nodes, "output")
    assert "input" in on_the_way
    shapes = sorted(
        node.shape for node in nodes if not node.inputs and node.name != "input" and node.name in on_the_way
    )
    assert {tuple(parameter.shape) for parameter in network.parameters()} <= set(shapes)
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items()), "nothing has moved"
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


class Branching(nn.Module):
    """What no trace of a fixed path shows: a branch on values, a module used twice, an operation in place."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(x)
        if float(x.sum()) < 1e9:
            x = F.relu_(self.one(x))
        return self.norm(x)[:, :2]


def test_python_decides_and_modules_come_twice() -> None:
    names = [node.name for node in module_graph(Branching(), torch.zeros(2, 4))]
    assert "Linear[one]/linear" in names
    assert "Linear[one]/linear_1" in names
    assert "relu" in names
    assert "BatchNorm1d[norm]/batch_norm" in names
    assert names[0] == "input"
    assert names[-1] == "output"


def test_a_network_that_fails_leaves_no_hooks_behind() -> None:
    network = Branching()
    with pytest.raises(RuntimeError):
        module_graph(network, torch.zeros(2, 5))
    assert network.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


@pytest.mark.slow
def test_of_a_compiled_network_the_operations_are_shown(recwarn: pytest.WarningsRecorder) -> None:
    network = Branching()
    network.compile(backend="eager")
    assert "Linear[one]/linear" in [node.name for node in module_graph(network, torch.zeros(2, 4))]
