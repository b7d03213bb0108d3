"""Which split ``eval`` judges, above all of a run that has no test split."""

from collections.abc import Callable
from pathlib import Path

import pytest

import cnncli as api
from tests.conftest import Answer, make_pictures

Cli = Callable[..., Answer]


@pytest.fixture(scope="module")
def best(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a run on plain class folders."""
    folder = tmp_path_factory.mktemp("plain")
    photos = make_pictures(folder / "photos", {"ants": 12, "bees": 12})
    config = {
        "name": "plain",
        "dataset": {"name": "image_folder", "path": str(photos), "image_size": 8, "val_fraction": 0.25},
        "model": {"name": "mlp", "hidden": [4]},
        "train": {"epochs": 1},
        "logging": {"tensorboard": False, "samples": False, "pictures": False},
    }
    return Path(api.train(config, runs_dir=folder / "runs", quiet=True).best)


def test_without_a_test_split_validation_is_judged_and_said_to_be_so(best: Path, cnncli: Cli) -> None:
    answer = cnncli("eval", best, "--json")
    assert answer.code == 0
    assert (answer.json["split"], answer.json["metrics"]["val"]["n"]) == ("val", 6)
    notes = [line for line in answer.err.splitlines() if "test split" in line]
    note = "note: there is no test split: judged on the validation samples, which chose the best epoch; new data are"
    assert notes == [f"{note} judged with: cnncli eval {best} --data PLACE"]
    assert api.evaluate(best, quiet=True).report.split == "val"


def test_the_advice_for_a_split_that_is_not_there_helps(best: Path, cnncli: Cli) -> None:
    answer = cnncli("eval", best, "--split", "test")
    ways = f"judge others: cnncli eval {best} --split val or cnncli eval {best} --data PLACE"
    assert answer.code == 3
    assert answer.err.splitlines()[-1] == f"error: {best}: the run has no test split; {ways}"
    assert cnncli("eval", best, "--split", "val").code == 0
    new = make_pictures(Path("new"), {"ants": 2, "bees": 2}, seed=9)
    answer = cnncli("eval", best, "--data", new, "--json")
    assert answer.code == 0
    assert "no test split" not in answer.err
    assert answer.json["metrics"]["test"]["n"] == 4
