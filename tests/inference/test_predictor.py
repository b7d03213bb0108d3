"""A checkpoint that answers: the network's own logits, probabilities of classes, and rows for people."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import Config
from cnncli.core.errors import CheckpointError, ConfigError
from cnncli.core.spec import Column, DataSpec, Numbers, Pictures, Series, Table
from cnncli.inference.predictor import Predictor, load_predictor
from cnncli.inference.tta import views
from cnncli.runs.checkpoint import Checkpoint, save_checkpoint
from cnncli.training.network import build_model, use_calibration

fill_registries()
PICTURES = DataSpec((3, 8, 6), ("ant", "bee", "cat"), Pictures((0.4, 0.5, 0.6), (0.2, 0.3, 0.1)))
COLUMNS = (Column("a"), Column("b"))
BINARY = DataSpec((2,), ("no", "yes"), Table(COLUMNS, ("sold",)), (1,))
PRICED = Numbers(("price", "age"), (250.0, 40.0), (10.0, 5.0))
NUMBERS = DataSpec((2,), (), Table(COLUMNS, PRICED.names), (2,), PRICED)
SERIES = DataSpec((4, 1), (), Series(("x",), ("x",), 1, False, None, (0.0,), (1.0,), (1.0,)), (3, 1))
RISK = {"confidence": [0.4, 0.9], "error": [0.2, 0.0], "answered": [1.0, 0.5]}
CALIBRATED = {"temperature": 2.0, "risk": RISK, "samples": 10}


def checkpoint(
    spec: DataSpec,
    calibration: dict[str, Any] | None = None,
    task: str = "classification",
    loss: str = "cross_entropy",
    **task_args: Any,
) -> Checkpoint:
    """A small network with random weights, as its run would have kept it."""
    config = Config.model_validate(
        {
            "device": "cpu", "precision": "fp32", "compute": {"compile": "off"}, "dataset": {"name": "digits"},
            "model": {"name": "mlp", "hidden": [5]}, "task": {"name": task, **task_args}, "loss": {"name": loss},
            "checkpoint": {"monitor": "val/loss"},
        }
    )  # fmt: skip
    torch.manual_seed(1)
    weights = build_model(config, spec).state_dict()
    return Checkpoint(config, spec, weights, {"epoch": 3.0, "val/loss": 0.5}, calibration or {}, path=Path("best.pt"))


def predictor(made: Checkpoint, views: bool = False) -> Predictor:
    found = Predictor(made, made.config, views)
    use_calibration(found.task, made, views)
    return found


def pictures(count: int = 5, size: tuple[int, int] = (8, 6)) -> Tensor:
    return torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def normalized(images: Tensor) -> Tensor:
    """``(pixel / 255 - mean) / std``, by hand."""
    mean, std = (torch.tensor(values)[:, None, None] for values in ((0.4, 0.5, 0.6), (0.2, 0.3, 0.1)))
    return (images.float() / 255 - mean) / std


def test_of_pictures_it_gives_the_networks_answers_to_normalised_pixels() -> None:
    found = predictor(checkpoint(PICTURES, CALIBRATED))
    with torch.no_grad():
        expected = found.network(normalized(pictures()))
    logits = found.logits(pictures())
    torch.testing.assert_close(logits, expected)
    assert (logits.dtype, logits.device.type, logits.requires_grad) == (torch.float32, "cpu", False)
    assert not found.network.training
    larger = pictures(5, (12, 10))
    torch.testing.assert_close(found.logits(larger), found.logits(larger[:, :, 2:-2, 2:-2]))  # of the centre


def test_probabilities_are_at_the_temperature_and_rows_name_the_likeliest() -> None:
    found = predictor(checkpoint(PICTURES, CALIBRATED))
    probabilities = found.probabilities(pictures())
    torch.testing.assert_close(probabilities, (found.logits(pictures()) / 2).softmax(1))
    rows = found.rows(pictures())
    assert [list(row) for row in rows] == [["prediction", "probability_ant", "probability_bee", "probability_cat"]] * 5
    for row, chances in zip(rows, probabilities.tolist(), strict=True):
        assert row["prediction"] == PICTURES.classes[chances.index(max(chances))]
        assert [row[f"probability_{name}"] for name in found.classes] == chances


def test_over_views_it_answers_with_the_mean_of_probabilities_and_without_a_temperature() -> None:
    made = checkpoint(PICTURES, CALIBRATED)
    plain, over_views = predictor(made), predictor(made, views=True)
    with torch.no_grad():
        answers = [plain.network(view).softmax(1) for view in views(normalized(pictures()))]
    expected = torch.stack(answers).mean(0)
    torch.testing.assert_close(over_views.probabilities(pictures()), expected)
    torch.testing.assert_close(over_views.logits(pictures()), expected.log())
    assert over_views.task.calibration.to_dict() == {"temperature": 1.0, "risk": None, "samples": 10}
    assert plain.task.calibration.to_dict() == CALIBRATED
    assert (plain.views, over_views.views) == (False, True)


def test_views_are_refused_for_what_is_no_picture() -> None:
    with pytest.raises(ConfigError, match=r"the mean over views \(tta\) is for pictures, the data are rows"):
        predictor(checkpoint(BINARY, {}, "binary", "bce_with_logits"), views=True)


def test_of_rows_it_gives_both_classes_and_names_one_at_the_threshold() -> None:
    samples = torch.randn(7, 2, generator=torch.Generator().manual_seed(2))
    found = predictor(checkpoint(BINARY, {"threshold": 0.5}, "binary", "bce_with_logits"))
    with torch.no_grad():
        expected = found.network(samples)
    torch.testing.assert_close(found.logits(samples), expected)
    probabilities = found.probabilities(samples)
    torch.testing.assert_close(probabilities, torch.cat([1 - expected.sigmoid(), expected.sigmoid()], dim=1))
    middle = probabilities[:, 1].sort().values[3].item()
    strict = predictor(checkpoint(BINARY, {"threshold": middle}, "binary", "bce_with_logits"))
    rows = strict.rows(samples)
    assert [row["prediction"] for row in rows] == ["yes" if p >= middle else "no" for p in probabilities[:, 1].tolist()]
    assert {row["prediction"] for row in rows} == {"yes", "no"}
    assert [row["probability_yes"] for row in rows] == probabilities[:, 1].tolist()


def test_numbers_are_in_their_own_unit_and_have_no_probabilities() -> None:
    samples = torch.randn(4, 2, generator=torch.Generator().manual_seed(2))
    found = predictor(checkpoint(NUMBERS, {}, "regression", "mse"))
    expected = found.logits(samples).double() * torch.tensor([10.0, 5.0]) + torch.tensor([250.0, 40.0])
    assert found.rows(samples) == [
        {"prediction_price": pytest.approx(price), "prediction_age": pytest.approx(age)}
        for price, age in expected.tolist()
    ]
    with pytest.raises(ConfigError, match=r"best\.pt: regression gives no probabilities"):
        found.probabilities(samples)


@pytest.mark.parametrize("count", [0, 1, 4096, 4097])
def test_any_number_of_samples_is_answered_in_their_order(count: int) -> None:
    samples = torch.randn(count, 2, generator=torch.Generator().manual_seed(2))
    found = predictor(checkpoint(BINARY, {}, "binary", "bce_with_logits"))
    sizes: list[int] = []
    found.network.register_forward_hook(lambda _module, inputs, _outputs: sizes.append(len(inputs[0])))
    logits = found.logits(samples)
    assert sum(sizes) == len(logits) == len(found.rows(samples)) == count
    assert max(sizes) <= 4096
    with torch.no_grad():
        torch.testing.assert_close(logits, found.network(samples))


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A run folder that holds a ``best.pt``."""
    (tmp_path / "run").mkdir()
    save_checkpoint(tmp_path / "run/best.pt", checkpoint(PICTURES, CALIBRATED))
    return tmp_path / "run"


def test_a_checkpoint_and_its_folder_are_the_same_predictor(kept: Path) -> None:
    of_file, of_folder = load_predictor(kept / "best.pt"), load_predictor(kept)
    assert of_file.path == of_folder.path == kept / "best.pt"
    assert of_folder.spec == PICTURES
    assert of_folder.metrics == {"epoch": 3.0, "val/loss": 0.5}
    assert of_folder.task.calibration.to_dict() == CALIBRATED
    expected = predictor(checkpoint(PICTURES, CALIBRATED)).probabilities(pictures())
    assert torch.equal(of_file.probabilities(pictures()), expected)
    assert torch.equal(of_folder.probabilities(pictures()), expected)
    assert load_predictor(kept, views=True).task.calibration.to_dict() == {**CALIBRATED, "temperature": 1, "risk": None}


@pytest.mark.parametrize("word", ["model.hidden=[9]", "train.epochs=2", "dataset.val_fraction=0.5", "seed=3"])
def test_what_would_make_it_another_network_or_other_splits_is_refused(kept: Path, word: str) -> None:
    with pytest.raises(ConfigError, match="cannot change a trained network") as caught:
        load_predictor(kept, [word])
    assert word in str(caught.value)
    assert load_predictor(kept, ["dataset.batch_size=7"]).config.dataset.batch_size == 7


def test_a_threshold_named_anew_takes_the_place_of_the_one_that_was_chosen(tmp_path: Path) -> None:
    for args in ({"choose": "f1"}, {"threshold": 0.25}):
        save_checkpoint(tmp_path / "a.pt", checkpoint(BINARY, {"threshold": 0.25}, "binary", "bce_with_logits", **args))
        assert load_predictor(tmp_path / "a.pt").task.calibration.to_dict() == {"threshold": 0.25}
        again = load_predictor(tmp_path / "a.pt", ["task.threshold=0.75"])
        assert again.task.calibration.to_dict() == {"threshold": 0.75}


@pytest.mark.parametrize(
    ("spec", "task", "loss", "calibration"),
    [
        (PICTURES, "classification", "cross_entropy", {"temperature": -1.0}),
        (PICTURES, "classification", "cross_entropy", {"temperature": "2"}),
        (PICTURES, "classification", "cross_entropy", {"threshold": 0.5}),
        (PICTURES, "classification", "cross_entropy", {"risk": {**RISK, "error": [0.1]}}),
        (BINARY, "binary", "bce_with_logits", {"threshold": 1.5}),
        (NUMBERS, "regression", "mse", {"temperature": 1.0}),
        (SERIES, "forecasting", "mse", {"level": 0.9, "half_width": [[1.0], [2.0]]}),
        (SERIES, "forecasting", "mse", {"level": 0.9, "half_width": [[1.0, 1.0]] * 3}),
        (SERIES, "forecasting", "mse", {"level": 0.9, "half_width": [[-1.0]] * 3}),
    ],
)
def test_a_calibration_that_does_not_fit_is_refused_in_one_line(
    tmp_path: Path, spec: DataSpec, task: str, loss: str, calibration: dict[str, Any]
) -> None:
    made = checkpoint(spec, calibration, task, loss)
    save_checkpoint(tmp_path / "a.pt", made)
    with pytest.raises(CheckpointError, match=r"a\.pt: calibration\.") as caught:
        load_predictor(tmp_path / "a.pt")
    assert "\n" not in str(caught.value)
    save_checkpoint(tmp_path / "a.pt", replace(made, calibration={}))
    load_predictor(tmp_path / "a.pt")
