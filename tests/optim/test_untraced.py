"""Optimizers without torch's wrappers are torch's optimizers."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from cnncli.config.catalog import fill_registries
from cnncli.core.registry import optimizers
from cnncli.optim.untraced import Untraced
from tests.conftest import printed_twice

fill_registries()
TORCHS = {kind.__name__.lower(): kind for kind in vars(torch.optim).values()
          if isinstance(kind, type) and kind.__name__.lower() in optimizers and kind.__name__ != "Muon"}  # fmt: skip


def steps(kind: type[torch.optim.Optimizer], model: nn.Module) -> list[torch.Tensor]:
    """The weights after three steps, with the state saved and loaded between them, and a late group."""
    optimizer = kind(model[0].parameters())  # type: ignore[index]
    if kind.__name__ not in ("LBFGS", "SparseAdam"):  # of one group only, of one kind of layer only
        optimizer.add_param_group({"params": model[1].parameters()})  # type: ignore[index]
    for _ in range(3):

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = model(torch.tensor([[0, 1], [2, 3]])).square().mean()
            loss.backward()
            return loss

        optimizer.step(closure)
        optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    return [parameter.detach() for parameter in model.parameters()]


@pytest.mark.parametrize("name", sorted(TORCHS))
def test_every_optimizer_takes_torchs_steps_bit_for_bit(name: str) -> None:
    torch.manual_seed(0)
    sparse = name == "sparseadam"
    model = nn.Sequential(nn.Embedding(5, 3, sparse=sparse), nn.Identity() if sparse else nn.Linear(3, 2))
    ours = optimizers.get(name).factory
    assert issubclass(ours, Untraced)
    assert issubclass(ours, TORCHS[name])
    for got, wanted in zip(steps(ours, copy.deepcopy(model)), steps(TORCHS[name], copy.deepcopy(model)), strict=True):
        assert torch.equal(got, wanted)


def test_torchs_optimizers_are_all_there_and_replace_none_of_the_methods() -> None:
    assert {"adam", "adamw", "sgd", "lbfgs"} <= TORCHS.keys() == set(optimizers) - {"muon"}
    methods = {name for name in vars(Untraced) if not name.startswith("_")}
    assert {"zero_grad", "add_param_group", "state_dict", "load_state_dict"} == methods
    for kind in TORCHS.values():
        assert not methods & vars(kind).keys()


@pytest.mark.slow
def test_a_second_run_does_without_torchs_compiler(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("dataset: digits\nmodel: {name: mlp, hidden: [4]}\ntrain: {epochs: 1}\n")
    code = (f"import sys\nfrom cnncli.cli.app import run\nfor name in ('adam', 'muon'):\n"
            f"    assert run(['train', {str(path)!r}, f'optimizer={{name}}']) == 0\n"
            "    print(name, 'torch._dynamo' in sys.modules)")  # fmt: skip
    lines = printed_twice(code)[1].splitlines()
    assert [line for line in lines if line.startswith(("adam", "muon"))] == ["adam False", "muon False"]
