"""``adopt``: the weights of plain PyTorch scripts become runs that answer as the scripts did, or are refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits
from torch import Tensor, nn

from cnncli.inference.predictor import load_predictor
from tests.conftest import Answer
from tests.runs.hostile import VALUES
from tests.training.scripts import Normed, Small, fit, right

Cli = Callable[..., Answer]
Adopt = Callable[..., Answer]
CONFIG = """\
name: script
dataset: {name: digits, normalize: none}
model: MODEL
baselines: none
logging: {tensorboard: false, samples: false, pictures: false, report: false}
"""
SMALL = "{name: simple_cnn, channels: [8, 16], hidden: 32}"
MLP = "{name: mlp, hidden: [16]}"
NORMED = """
  name: layers
  layers:
    - {name: conv, channels: 8}
    - norm
    - relu
    - pool
    - {name: conv, channels: 16}
    - norm
    - relu
    - global_pool
    - linear"""


def pixels() -> Tensor:
    """The digits as cnncli holds them, uint8 ``[1797, 1, 8, 8]``."""
    return (torch.from_numpy(load_digits().images) * 15.9375).round().to(torch.uint8)[:, None]


def trained(model: nn.Module) -> nn.Module:
    """A script's network that has learned a little."""
    fit(model, pixels()[:1000].float() / 255, torch.from_numpy(load_digits().target)[:1000], 2,
        lambda parameters: torch.optim.Adam(parameters, 1e-2))  # fmt: skip
    return model


def plain_mlp() -> nn.Sequential:
    """Under the very names of the network ``mlp``."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


@pytest.fixture
def adopt(cnncli: Cli) -> Adopt:
    """Save ``content`` and adopt it for a network; the run is called script/one."""

    def call(content: Any, model: str = MLP, *words: str) -> Answer:
        Path("config.yaml").write_text(CONFIG.replace("MODEL", model))
        torch.save(content, "weights.pth")
        return cnncli("adopt", "weights.pth", "config.yaml", "--name", "script/one", *words)

    return call


def answers_like(model: nn.Module) -> bool:
    """Whether the run answers to each digit exactly as a script's network, in the order of its classes."""
    predictor = load_predictor(Path("runs/script/one/best.pt"))
    with torch.no_grad():
        expected = model.eval()(pixels().float() / 255)
    found = predictor.logits(pixels())
    same = torch.allclose(found.log_softmax(1), expected.log_softmax(1), atol=1e-5)
    return same and torch.equal(found.argmax(1), expected.argmax(1))


def test_other_names_are_refused_and_paired_by_order_when_asked(adopt: Adopt) -> None:
    torch.manual_seed(0)
    model = trained(Small())
    refused = adopt(model.state_dict(), SMALL)
    assert refused.code == 4
    assert "only the file has conv1.weight (8×1×3×3), conv1.bias (8), conv2.weight" in refused.err
    assert "only the network has 0.weight (8×1×3×3)" in refused.err
    assert refused.err.endswith("in their order the entries fit: add --by-order\n")
    assert not Path("runs").exists()
    answer = adopt(model.state_dict(), SMALL, "--by-order")
    assert answer.code == 0, answer.err
    assert (
        "Entries paired by order and shape\nweights.pth\tnetwork\tshape\nconv1.weight\t0.weight\t8×1×3×3" in answer.out
    )
    assert "If the script was trained on samples of val" in answer.out
    assert answers_like(model)


def test_the_same_names_need_no_option_and_what_wraps_them_does_not_matter(adopt: Adopt) -> None:
    model = trained(plain_mlp())
    state = dict(model.state_dict())
    averaged = torch.optim.swa_utils.AveragedModel(model)
    for content in (
        state,
        {"epoch": 3, "state_dict": state, "optimizer": torch.optim.Adam(model.parameters()).state_dict()},
        {"model_state_dict": {f"module.{name}": value for name, value in state.items()}},
        {"model": {f"_orig_mod.module.{name}": value for name, value in state.items()}},
        {f"net.{name}": value for name, value in state.items()},
        averaged.state_dict(),
        {name: value.double() for name, value in state.items()},
    ):
        answer = adopt(content, MLP, "--overwrite")
        assert answer.code == 0, answer.err
        assert answer.out.startswith("paired    4 entries by their names\n")
        assert answers_like(model)
    assert "note: weights.pth holds float64; the network keeps float32" in answer.err


def test_a_script_that_makes_its_layers_in_another_order_is_adopted_with_a_note(adopt: Adopt) -> None:
    torch.manual_seed(0)
    model = trained(Normed())
    answer = adopt(model.state_dict(), NORMED, "--by-order")
    assert answer.code == 0, answer.err
    assert "note: weights.pth has its layers in another order than the network" in answer.err
    assert "bn1.running_var\t1.running_var\t8" in answer.out
    assert answers_like(model)


def test_the_run_is_one_that_all_commands_take(adopt: Adopt, cnncli: Cli) -> None:
    torch.manual_seed(0)
    model = trained(Small())
    answer = adopt(model.state_dict(), SMALL, "--by-order", "--json")
    assert answer.json["weights"]["paired_by"] == "order"
    assert answer.json["weights"]["entries"][0] == {
        "file": "conv1.weight",
        "network": "0.weight",
        "shape": [8, 1, 3, 3],
    }
    assert answer.json["test_looks"] == 1
    run = Path("runs/script/one")
    assert json.loads((run / "test_looks.json").read_text())["looks"][0]["command"] == "adopt"
    assert json.loads((run / "adopted.json").read_text()) == answer.json["weights"]
    assert load_predictor(run / "best.pt").task.calibration.to_dict()["temperature"] != 1
    judged = cnncli("eval", "script", "--json").json
    assert judged["metrics"]["test"] == answer.json["metrics"]["test"]
    again = ["config.yaml", "train.start_from=script", "train.epochs=1", "--name", "on/one"]
    for words in (["inspect", "script"], ["report", "script"], ["runs"], ["train", *again]):
        done = cnncli(*words)
        assert done.code == 0, f"{words} {done.err}"
    assert cnncli("compare", "script/one", "on/one").code == 0
    assert "were not trained by cnncli: they come from a file" in (run / "report.html").read_text()
    resumed = cnncli("train", "--resume", "script")
    assert resumed.code == 4
    assert "Traceback" not in resumed.err


def test_pictures_normalised_by_the_training_split_are_named(adopt: Adopt) -> None:
    answer = adopt(plain_mlp().state_dict(), MLP, "dataset.normalize=dataset")
    assert "note: pixels are normalised with mean 0.3" in answer.err
    assert "those of the training split; if the script used others, set dataset.normalize" in answer.err


def test_numbers_in_their_own_unit_are_adopted_where_the_script_scaled_as_the_table_does(cnncli: Cli) -> None:
    words = ["regression/diabetes", "model=linear", "baselines=none", "logging.tensorboard=false", "--json"]
    torch.manual_seed(0)
    torch.save(nn.ModuleDict({"linear": nn.Linear(10, 1)}).state_dict(), "linear.pth")
    answer = cnncli("adopt", "linear.pth", *words)
    assert answer.code == 0, answer.err
    assert answer.json["weights"]["paired_by"] == "name"  # a single layer, whatever it is called
    assert answer.json["metrics"]["test"]["n"] < len(load_diabetes().target)


def state(**changed: Tensor) -> dict[str, Tensor]:
    return {**plain_mlp().state_dict(), **{name.replace("_", "."): value for name, value in changed.items()}}


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a module": (plain_mlp, "holds more than plain values and tensors"),
    "no weights": (lambda: {"epoch": 3}, "its entry epoch is no tensor, and there are no weights under state_dict"),
    "a list": (lambda: [torch.zeros(3)], "holds no weights by their names; write it with torch.save(model.state_dict"),
    "nothing": (dict, "holds no weights by their names"),
    "NaN": (lambda: state(**{"1_bias": torch.full((16,), torch.nan)}), "1.bias: holds numbers that are infinite or"),
    "a shape": (lambda: state(**{"3_weight": torch.zeros(10, 8)}),
                "3.weight is 10×8 in the file and 10×16 in the network; nor in its order: left over in the file are 3"),
    "a layer more": (lambda: state(**{"4_weight": torch.zeros(2, 2)}), "only the file has 4.weight (2×2); nor in its"),
    "a layer less": (lambda: dict(list(state().items())[:2]),
                     "only the network has 3.weight (10×16), 3.bias (10); nor in its order: left over in the network"),
    "whole numbers": (lambda: state(**{"1_bias": torch.zeros(16, dtype=torch.int64)}), "1.bias is 16 whole numbers in"),
}  # fmt: skip


@pytest.mark.parametrize("what", list(REFUSED))
def test_what_does_not_fit_is_refused_in_one_line(what: str, adopt: Adopt) -> None:
    make, cause = REFUSED[what]
    for option in ([], ["--by-order"]):
        answer = adopt(make(), MLP, *option)
        assert answer.code == 4
        lines = [line for line in answer.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1
        assert lines[0].startswith("error: weights.pth: ")
        assert cause in lines[0]
        assert not Path("runs").exists()


def test_variances_below_zero_are_refused(adopt: Adopt) -> None:
    model = Normed()
    model.bn1.running_var[0] = -1
    answer = adopt(model.state_dict(), NORMED, "--by-order")
    assert answer.code == 4
    assert "weights.pth: bn1.running_var: holds numbers below zero" in answer.err


@pytest.mark.parametrize("what", list(VALUES))
def test_hostile_files_are_refused_before_anything_is_made(what: str, adopt: Adopt) -> None:
    answer = adopt({**plain_mlp().state_dict(), "x": VALUES[what]()}, MLP)
    assert answer.code == 4
    assert not Path("executed").exists()


def test_damaged_files_and_files_of_cnncli_are_refused(adopt: Adopt, cnncli: Cli) -> None:
    assert adopt(plain_mlp().state_dict()).code == 0
    whole = Path("weights.pth").read_bytes()
    Path("short.pth").write_bytes(whole[: len(whole) // 2])
    Path("text.pth").write_text("no weights")
    for file, cause in {
        "short.pth": "cannot be read (it is cut off, or no file of torch.save)",
        "text.pth": "cannot be read (it is no file of torch.save)",
        "gone.pth": "no such file of weights; check the path",
        "runs": "cannot be read (Is a directory); check the path",
        "runs/script/one/best.pt": "is a checkpoint of cnncli's already; use it as it is",
    }.items():
        answer = cnncli("adopt", file, "config.yaml", "--name", "script/two")
        assert answer.code == 4
        assert f"error: {file}: {cause}" in answer.err
        assert not Path("runs/script/two").exists()


def test_words_that_are_missing_or_swapped_are_named(cnncli: Cli) -> None:
    for words, cause in {
        (): "no weights given",
        ("a.pth",): "'a.pth' alone is not enough",
        ("my.yaml", "a.pth"): "the weights come first: cnncli adopt a.pth my.yaml",
        ("a.pth", "my.yaml", "b"): "'b' is a third path",
    }.items():
        answer = cnncli("adopt", *words)
        assert answer.code == 2
        assert cause in answer.err


def test_the_script_and_the_run_count_the_same_right_answers(adopt: Adopt, cnncli: Cli) -> None:
    model = trained(plain_mlp())
    answer = adopt(model.state_dict(), MLP, "--json")
    x, y = pixels().float() / 255, torch.from_numpy(load_digits().target)
    found = {split: cnncli("eval", "script", "--split", split, "--json").json["metrics"] for split in ("train", "val")}
    parts = [found["train"]["train"], found["val"]["val"], answer.json["metrics"]["test"]]
    assert sum(round(part["accuracy"] * part["n"]) for part in parts) == right(model, x, y)
