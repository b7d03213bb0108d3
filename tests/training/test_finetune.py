"""Fine-tuning: what is frozen stays bit for bit, what learns learns at its own rate, and nothing is lost on the way."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from cnncli.core.errors import CheckpointError, ConfigError, DataError
from cnncli.core.registry import models
from cnncli.core.spec import DataSpec, Pictures
from cnncli.models.blocks import find_head
from cnncli.runs.checkpoint import load_checkpoint
from cnncli.training.build import build_experiment
from cnncli.training.configs import load_config, load_finetune
from cnncli.training.display import Display
from cnncli.training.features import Extractor
from cnncli.training.finetune import Strategy, load_pretrained
from tests.conftest import Answer, make_pictures
from tests.training.helpers import assert_same_weights, train, weights

Cli = Callable[..., Answer]
QUIET = "logging: {tensorboard: false, samples: false, pictures: false}"
PRETRAIN = f"""\
name: before
dataset: {{name: image_folder, root: three, image_size: 16, batch_size: 16, normalize: half}}
model: {{name: resnet8, width: 4}}
train: {{epochs: 1}}
{QUIET}
"""
AFTER = f"""\
name: after
dataset: {{name: image_folder, root: pictures, batch_size: 16, val_fraction: 0.25}}
finetune: {{pretrained: before.pt}}
optimizer: {{name: sgd, lr: 0.05, momentum: 0.9, weight_decay: 0.1}}
train: {{epochs: 2}}
{QUIET}
"""


@pytest.fixture
def start(tmp_path: Path, pictures: Path, write_config: Callable[..., Path]) -> Path:
    """``before.pt``: a small residual net trained on three classes; and a config that goes on from it."""
    make_pictures(tmp_path / "three", {"x": 20, "y": 20, "z": 20}, seed=5)
    result = train(write_config(PRETRAIN, "before.yaml"), "one")
    Path(result["best"]).rename("before.pt")
    return write_config(AFTER, "after.yaml")


def own(run_id: str, which: str = "best") -> dict[str, torch.Tensor]:
    return weights(f"runs/after/{run_id}/{which}.pt")


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {key for key in after if key not in before or not torch.equal(before[key], after[key])}


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("average", ["null", "0.9"])
def test_a_frozen_network_and_its_batchnorm_statistics_stay_bit_for_bit(start: Path, cache: bool, average: str) -> None:
    before = weights("before.pt")
    result = train(
        start, "head", "finetune.strategy=head", f"finetune.cache_features={str(cache).lower()}",
        f"train.ema_decay={average}",
    )  # fmt: skip
    for which in ("best", "last"):
        assert changed(before, own("head", which)) == {"8.weight", "8.bias"}
    assert any("running_mean" in key for key in before), "there were statistics that could have moved"
    assert result["metrics"]["test"]["n"] == 16


def test_kept_features_give_what_the_whole_network_gives(start: Path) -> None:
    with_cache = train(start, "kept", "finetune.strategy=head")
    without = train(start, "anew", "finetune.strategy=head", "finetune.cache_features=false")
    kept, anew = own("kept", "last"), own("anew", "last")
    assert all(torch.allclose(kept[key], anew[key], atol=1e-5) for key in kept)
    for split in ("val", "test"):
        assert with_cache["metrics"][split] == pytest.approx(without["metrics"][split], rel=1e-4)


def test_features_are_not_kept_where_pictures_change(start: Path) -> None:
    loaded = load_config(start, ["finetune.strategy=head", "dataset.augment=[random_horizontal_flip]"])
    assert build_experiment(loaded, Display(quiet=True).track).data.embed is None
    loaded = load_config(start, ["finetune.strategy=head"])
    assert isinstance(build_experiment(loaded, Display(quiet=True).track).data.embed, Extractor)


def test_features_are_not_kept_where_the_head_is_not_the_end() -> None:
    spec = DataSpec((3, 64, 64), ("a", "b"), Pictures((0.5,) * 3, (0.5,) * 3))
    from cnncli.compute.runtime import make_runtime

    for name, expected in (("squeezenet1_1", False), ("alexnet", True)):
        model = models.build(name, spec).eval()
        extractor = Extractor(model, find_head(model, 2), make_runtime("cpu", "fp32", 0))
        assert extractor.suffices(torch.randn(2, 3, 64, 64)) is expected


@pytest.mark.parametrize("strategy", ["full", "gradual"])
def test_everything_learns_where_everything_should(start: Path, strategy: str) -> None:
    train(start, strategy, f"finetune.strategy={strategy}")
    after = own(strategy, "last")
    assert changed(weights("before.pt"), after) == set(after)


def test_the_last_blocks_learn_and_those_before_them_do_not(start: Path) -> None:
    train(start, "last", "finetune.strategy=last", "finetune.last=1")
    learned = {key.split(".")[0] for key in changed(weights("before.pt"), own("last", "last"))}
    assert learned == {"5", "8"}


def test_gradual_trains_the_head_alone_first(start: Path) -> None:
    train(
        start, "gradual", "finetune.strategy=gradual", "finetune.head_epochs=2", "checkpoint.every=1", "train.epochs=3"
    )
    assert changed(weights("before.pt"), own("gradual", "epoch-2")) == {"8.weight", "8.bias"}
    after = own("gradual", "epoch-3")
    assert changed(weights("before.pt"), after) == set(after)


@pytest.mark.parametrize("strategy", ["head", "last", "gradual"])
def test_one_epoch_and_one_more_are_two(start: Path, cnncli: Cli, strategy: str) -> None:
    settings = (f"finetune.strategy={strategy}", "dataset.augment=[]")
    train(start, "two", *settings)
    train(start, "one", *settings, "train.epochs=1")
    Path("before.pt").unlink()  # a run that has begun needs nothing but its own checkpoint
    answer = cnncli("train", "--resume", "runs/after/one", "train.epochs=2")
    assert answer.code == 0, answer.err
    assert_same_weights("runs/after/two/last.pt", "runs/after/one/last.pt")


def test_the_rates_fall_from_the_head_to_the_first_block(start: Path) -> None:
    def rates(*overrides: str) -> list[float]:
        experiment = build_experiment(load_config(start, overrides), Display(quiet=True).track)
        groups = experiment.state.optimizer.param_groups
        sizes = sum(parameter.numel() for group in groups for parameter in group["params"])
        assert sizes == sum(parameter.numel() for parameter in experiment.state.model.parameters())
        return [group["lr"] for group in groups]

    assert rates() == [0.05]
    assert rates("finetune.backbone_lr=0.01") == [0.05, 0.01]
    assert rates("finetune.lr_decay=0.5") == pytest.approx([0.05 * 0.5**n for n in range(6)])
    halved = rates("finetune.lr_decay=0.5", "finetune.backbone_lr=0.01")
    assert halved == pytest.approx([0.05, *(0.01 * 0.5**n for n in range(5))])


@pytest.mark.parametrize("schedule", ["one_cycle", "cyclic", "cosine", "step"])
def test_schedules_keep_the_proportions_of_the_rates(start: Path, schedule: str) -> None:
    args = {"step": ", step_size: 1"}.get(schedule, "")
    loaded = load_config(start, ["finetune.backbone_lr=0.005", f"scheduler={{name: {schedule}{args}}}"])
    state = build_experiment(loaded, Display(quiet=True).track).state
    for _ in range(3):
        head, rest = (float(group["lr"]) for group in state.optimizer.param_groups)
        assert rest == pytest.approx(head / 10)
        state.optimizer.step()
        state.schedule.step()
        state.schedule.end_epoch(0.0)


def test_the_config_follows_from_the_checkpoint(start: Path) -> None:
    config = load_config(start).config
    assert config.model.name == "resnet8"
    assert config.model.args == {"width": 4}
    assert config.dataset.args["image_size"] == [16, 16]
    assert config.dataset.model_dump()["normalize"] == {"mean": [0.5] * 3, "std": [0.5] * 3}
    own_size = load_config(start, ["dataset.image_size=24", "dataset.normalize=imagenet"]).config.dataset
    assert own_size.args["image_size"] == 24
    assert own_size.args["resize"] is None
    assert own_size.normalize == "imagenet"


def test_the_config_follows_from_torchvisions_weights(tmp_path: Path) -> None:
    config = load_finetune("swin_t", None, Path("photos"), {}, []).config
    assert config.model.name == "swin_t"
    assert {key: config.dataset.args[key] for key in ("image_size", "resize", "interpolation", "path")} == {
        "image_size": 224, "resize": 232, "interpolation": "bicubic", "path": "photos",
    }  # fmt: skip
    assert config.finetune is not None
    assert config.finetune.strategy == "gradual"
    assert config.dataset.augment[0].name == "random_resized_crop"
    assert load_finetune("resnet18", None, Path("photos"), {"strategy": "head"}, []).config.dataset.augment == []


def test_a_config_of_another_model_is_refused_with_its_line(start: Path) -> None:
    start.write_text(start.read_text() + "model: simple_cnn\n")
    with pytest.raises(ConfigError, match=r"after\.yaml:\d+: model\.name: is simple_cnn, the weights are of resnet8"):
        load_config(start)
    assert load_finetune("before.pt", start, None, {}, []).config.model.name == "resnet8"


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["finetune.pretrained=resnet81"], ConfigError, "did you mean 'resnet18'"),
        (["finetune.pretrained=nowhere.pt"], CheckpointError, r"nowhere\.pt: no such checkpoint"),
        (["finetune.weights=nowhere.pth"], CheckpointError, r"nowhere\.pth: no such file of weights"),
        (["finetune.strategy=last", "finetune.last=99"], ConfigError, "finetune.last: 99 of 5 blocks"),
        (["finetune.strategy=half"], ConfigError, "'half' should be 'head', 'last', 'full' or 'gradual'"),
        (["finetune.lr_decay=2"], ConfigError, "finetune.lr_decay"),
        (["optimizer=lbfgs", "finetune.backbone_lr=0.1"], ConfigError, "LBFGS doesn't support per-parameter options"),
        (["dataset.root=nowhere"], DataError, "nowhere: no such folder"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(start: Path, overrides: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build_experiment(load_config(start, overrides), Display(quiet=True).track)


def test_weights_of_one_file_and_the_network_of_another(start: Path) -> None:
    model = models.build("resnet8", DataSpec((3, 16, 16), ("a", "b"), Pictures((0.5,) * 3, (0.5,) * 3)), width=4)
    torch.save(model.state_dict(), "other.pth")
    loaded = load_config(start, ["finetune.weights=other.pth"])
    built = build_experiment(loaded, Display(quiet=True).track).state.model
    assert torch.equal(built.state_dict()["0.weight"], model.state_dict()["0.weight"])


@pytest.fixture
def resnet18(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Random weights where torch's hub keeps torchvision's ResNet-18."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    spec = DataSpec((3, 224, 224), tuple(map(str, range(1000))), Pictures((0.5,) * 3, (0.5,) * 3))
    torch.manual_seed(0)
    state = models.build("resnet18", spec).state_dict()
    torch.save(state, folder / "resnet18-f37072fd.pth")
    return state


@pytest.mark.slow
def test_finetune_works_as_typed(resnet18: dict[str, torch.Tensor], pictures: Path, cnncli: Cli) -> None:
    answer = cnncli("finetune", "--from", "resnet18", "--data", pictures, "--strategy", "head", "train.epochs=1",
                    "dataset.image_size=32", "--name", "photos/one")  # fmt: skip
    assert answer.code == 0, answer.err
    loaded = "120 tensors loaded (11,176,512 parameters and 9,620 BatchNorm statistics)"
    assert f"{loaded}; new: fc.weight, fc.bias\n" in answer.err
    assert "1,026 parameters (head), lr 0.001; features computed once" in answer.err
    assert changed(resnet18, weights("runs/photos/one/best.pt")) == {"fc.weight", "fc.bias"}
    used = yaml.safe_load(Path("runs/photos/one/config.yaml").read_text())
    assert used["finetune"]["pretrained"] == "resnet18"
    assert used["dataset"]["normalize"] == "imagenet"
    report = cnncli("eval", "--ckpt", "runs/photos/one", "--json").json
    result = json.loads(Path("runs/photos/one/result.json").read_text())
    assert report["metrics"]["test"] == pytest.approx(result["metrics"]["test"], rel=1e-4)
    again = cnncli("train", "runs/photos/one/config.yaml", "--name", "photos/two", "--json")
    assert again.json["metrics"] == result["metrics"], "the config of a run is the whole run"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--from", "resnet18"], 2, "no pictures given; name their folder with --data, or a config"),
        (["--from", "resnet18", "--data", "nowhere"], 3, "nowhere: no such folder"),
        (["--from", "resnet18", "--data", "pictures", "--strategy", "most"], 2, "finetune.strategy"),
        (["--data", "pictures"], 2, "Missing option '--from'"),
        (["--from", "vgg11", "--data", "pictures", "dataset.image_size=32"], 6, "place vgg11-8a719046.pth in"),
    ],
)
def test_finetune_refuses_kindly(
    resnet18: object, pictures: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int,
    message: str,
) -> None:  # fmt: skip
    def unreachable(*_args: Any, **_options: Any) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    answer = cnncli("finetune", *words)
    assert answer.code == code, answer.err
    assert message in answer.err


def test_grey_pictures_of_a_data_set_go_through_a_network_of_colour(
    resnet18: dict[str, torch.Tensor], tiny: Path, cnncli: Cli
) -> None:
    Path("resnet18").mkdir()  # a folder of that name is not what is meant
    answer = cnncli(
        "finetune", "--from", "resnet18", tiny, "--strategy", "head", "train.epochs=1", "--name", "grey/one"
    )
    assert answer.code == 0, answer.err
    after = weights("runs/grey/one/best.pt")
    assert torch.equal(after["1.conv1.weight"], resnet18["conv1.weight"])


def test_a_network_fine_tuned_twice_starts_from_the_first(start: Path, cnncli: Cli) -> None:
    train(start, "first")
    answer = cnncli("finetune", "--from", "runs/after/first", start, "--strategy", "head", "--name", "again/one")
    assert answer.code == 0, answer.err
    assert changed(own("first"), weights("runs/again/one/best.pt")) == {"8.weight", "8.bias"}
    config = load_checkpoint(Path("runs/again/one/best.pt")).config
    assert config.finetune.pretrained == "runs/after/first"


def test_a_strategy_says_which_modules_stay_in_evaluation_mode() -> None:
    spec = DataSpec((3, 16, 16), ("a", "b"), Pictures((0.5,) * 3, (0.5,) * 3))
    from cnncli.config.sections import FinetuneConfig

    model = models.build("resnet8", spec)
    last = Strategy(FinetuneConfig(pretrained="x", strategy="last", last=2), model, 2)
    frozen = {id(part) for module in last.frozen_at(0) for part in module.modules()}
    moving = [id(m) for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    still = [number for number, module in enumerate(moving) if module in frozen]
    assert still == [0, 1, 2], "of the stem and of the first block"


ONE_MORE_STEP = ("optimizer.lr=1e-9", "train.epochs=1", "finetune.strategy=head", "optimizer.weight_decay=0")


def heads(run_id: str) -> tuple[torch.Tensor, torch.Tensor]:
    before, after = weights("before.pt"), own(run_id)
    return before["8.weight"], after["8.weight"]


def test_the_same_classes_keep_their_head_unless_a_new_one_is_asked_for(start: Path, cnncli: Cli) -> None:
    answer = cnncli("train", start, "dataset.root=three", *ONE_MORE_STEP, "--name", "after/same")
    assert answer.code == 0, answer.err
    assert "the head 8 is kept (the same classes; finetune.new_head: true begins with a new one)" in answer.err
    before, after = heads("same")
    assert torch.allclose(before, after, atol=1e-5)
    answer = cnncli("train", start, "dataset.root=three", *ONE_MORE_STEP, "finetune.new_head=true", "seed=7",
                    "--name", "after/n")  # fmt: skip
    assert "new: 8.weight, 8.bias" in answer.err
    before, after = heads("n")
    assert not torch.allclose(before, after, atol=1e-2)


def test_the_same_classes_in_another_order_keep_their_rows(start: Path, cnncli: Cli) -> None:
    for name in ("x", "y", "z"):  # of a table the classes stand in the order in which task or data name them
        assert (Path("three") / name).is_dir()
    spec = load_checkpoint(Path("before.pt")).spec
    loaded = load_config(start, ["dataset.root=three"])
    model = models.build("resnet8", spec, width=4)
    turned = DataSpec(spec.input_shape, ("z", "x", "y"), spec.preprocess)
    found = load_pretrained(model, loaded.config, turned)
    assert "in another order" in str(found)
    before = weights("before.pt")
    for key in ("8.weight", "8.bias"):
        assert torch.equal(model.state_dict()[key], before[key][[2, 0, 1]])


@pytest.mark.parametrize("classes", [("x", "y"), ("x", "y", "w"), ("x", "y", "z", "w")])
def test_other_classes_get_a_new_head(classes: tuple[str, ...], start: Path) -> None:
    spec = load_checkpoint(Path("before.pt")).spec
    other = DataSpec(spec.input_shape, classes, spec.preprocess)
    found = load_pretrained(models.build("resnet8", other, width=4), load_config(start).config, other)
    assert found.replaced == ["8.weight", "8.bias"]


def test_a_checkpoint_of_the_same_classes_goes_on_where_it_stood(start: Path) -> None:
    """More pictures of the same classes: what was learned is there from the first step on."""
    first = train(start, "long", "dataset.root=three", "finetune.new_head=true", "train.epochs=8")
    Path("runs/after/long/best.pt").rename("before.pt")
    second = train(start, "on", "dataset.root=three", *ONE_MORE_STEP)
    assert second["metrics"]["val"]["accuracy"] == first["metrics"]["val"]["accuracy"]
    assert second["metrics"]["val"]["loss"] == pytest.approx(first["metrics"]["val"]["loss"], abs=1e-3)
