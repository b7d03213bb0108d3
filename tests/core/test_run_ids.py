"""What a run's folder is called after the time."""

import pytest

from cnncli.core.run_ids import LONGEST_ID, id_suffix
from cnncli.core.run_names import checked_name

COMPONENTS = ("model", "optimizer", "dataset")


@pytest.mark.parametrize(
    ("overrides", "suffix"),
    [
        ([], ""),
        (["optimizer.lr=0.002", "seed=1"], "-lr0.002-seed1"),
        (["seed=1", "optimizer.lr=2e-3"], "-seed1-lr2e-3"),
        (["model.name=mlp"], "-mlp"),
        (["model=mlp", "optimizer=sgd"], "-mlp-sgd"),
        (["model.hidden=[128, 64]"], "-hidden128-64"),
        (["optimizer={name: sgd, lr: 0.1}"], "-sgd-lr-0.1"),
        (["loss.label_smoothing=0.1"], "-label_smoothing0.1"),
        (["optimizer.nesterov=true", "train.clip_grad_norm=null"], "-nesterov-true-clip_grad_norm-null"),
        (["optimizer.lr=1", "optimizer.lr=2"], "-lr2"),
        (["optimizer.decay=1", "model.decay=2", "seed=3"], "-optimizer.decay1-model.decay2-seed3"),
        (["a.b.c=1", "d.b.c=2", "c=3"], "-a.b.c1-d.b.c2-c3"),
        (["model.hidden.0=64"], "-hidden.0-64"),
        (["dataset.augment.0.degrees=10", "dataset.augment.1.name=flip"], "-degrees10-flip"),
        (["model.offset=-1"], "-offset-1"),
        (["dataset.path=/data/photos 2/"], "-path-photos-2"),
        ([r"dataset.path=C:\data\photos"], "-path-photos"),
        (["train.start_from="], "-start_from"),
        (["task.positive=ja/nein?"], "-positive-nein"),
        (["task.positive=見る", "task.other=é"], "-positive-見る-other-é"),
        (["name=a", "device=cpu", "dataset.workers=2", "logging.tensorboard=false", "compute.threads=1"], ""),
        (["logging={tensorboard: false}", "plugins=[a.py]", "seed=2"], "-seed2"),
    ],
)
def test_what_was_set_is_in_the_name(overrides: list[str], suffix: str) -> None:
    assert id_suffix(overrides, COMPONENTS) == suffix


@pytest.mark.parametrize(
    "overrides",
    [
        [f"model.a_rather_long_key_{n}={n}{n}{n}.{n}{n}" for n in range(30)],
        ["model.activation=" + "x" * 500, "seed=3"],
        ["task.positive=" + "見" * 300, "seed=3"],
        ["task.positive=" + "👩‍👩‍👧" * 300, "seed=3"],
        ["task.positive=\x1b[31m\udcff‮…", "seed=3"],
        ["task.positive=a" + "." * 200, "seed=3"],
        ['task.positive=<>:"|?*', "seed=3"],
    ],
)
def test_whatever_is_set_a_folder_can_be_called_so(overrides: list[str]) -> None:
    suffix = id_suffix([*overrides, "train.epochs=7"])
    name = f"20260311-091205{suffix}"
    assert checked_name(name) == name
    assert len(name.encode()) <= 255
    assert suffix.endswith("-epochs7")
    if name.isascii():
        assert len(name) <= LONGEST_ID
