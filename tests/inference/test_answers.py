"""What is said of a picture by tasks that name one class, several or none."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cnncli.core.errors import ConfigError
from cnncli.inference.gather import gather
from cnncli.inference.predict_pictures import Answer, Answers, format_answers, predict_pictures
from cnncli.inference.predictor import Predictor
from cnncli.tasks.calibration import Risk
from cnncli.tasks.classification import ClassCalibration, Classification
from cnncli.tasks.protocol import Naming
from cnncli.training.display import Display
from tests.conftest import make_pictures
from tests.inference.test_predictor import PICTURES, checkpoint, predictor

ONE = Answer("a.png", {"prediction": "bee", "probability": 0.75}, (("bee", 0.75), ("ant", 0.2)))
NONE = Answer("b.png", {"prediction": "", "probability": None}, (("bee", 0.3), ("ant", 0.25)))
NUMBERS = [
    Answer("a.png", {"prediction": 1.25e-05, "error": None}),
    Answer("b.png", {"prediction": 123456.78125, "error": 0.5}),
]


class Several(Classification):
    """Every class from a sigmoid of a half on."""

    def naming(self, outputs: Tensor) -> Naming:
        return Naming(outputs.sigmoid(), outputs >= 0)


class Numbers(Classification):
    """The first output alone, which is no class."""

    def naming(self, outputs: Tensor) -> None:  # type: ignore[override]
        return None

    def predictions(self, outputs: Tensor) -> dict[str, list[Any]]:
        return {"prediction": outputs[:, 0].tolist(), "twice": (2 * outputs[:, 0]).tolist()}


def answering(kind: type[Classification]) -> Predictor:
    found = predictor(checkpoint(PICTURES))
    found.task = kind(PICTURES, found.config.loss, torch.device("cpu"))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(make_pictures(tmp_path / "new", {"few": 12}, (6, 8)))


def asked(found: Predictor, folder: str, **options: Any) -> Answers:
    return predict_pictures(found, gather([folder]), Display(quiet=True).track, **options)


def test_of_several_classes_the_least_certain_decides_what_is_known(folder: str) -> None:
    found = answering(Several)
    found.task.use(ClassCalibration(risk=Risk([0.5, 0.52, 0.9], [0.5, 0.1, 0.0], [1.0, 0.6, 0.1]), samples=9))
    plain, strict = asked(found, folder), asked(found, folder, max_error=0.2)
    assert (strict.threshold, strict.answered, strict.samples) == (0.52, 0.6, 9)
    assert len(plain.found) == 12
    images = torch.stack([torch.from_numpy(_pixels(answer.path)) for answer in plain.found])
    for answer, known, logits in zip(plain.found, strict.found, found.logits(images), strict=True):
        certain = [p for p in logits.sigmoid().tolist() if p >= 0.5]
        assert answer.columns["probability"] == (pytest.approx(min(certain)) if certain else None)
        names = [name for name, logit in zip(PICTURES.classes, logits.tolist(), strict=True) if logit >= 0]
        assert answer.columns["prediction"] == "|".join(names)
        sure = all(p >= 0.52 for p in certain)
        assert known.columns["prediction"] == (answer.columns["prediction"] if sure else "unknown")
    assert len({answer.columns["prediction"] for answer in plain.found}) > 1


def _pixels(path: str) -> Any:
    import numpy as np
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).transpose(2, 0, 1).copy()


def test_numbers_are_said_as_the_task_says_them(folder: str) -> None:
    found = answering(Numbers)
    answers = asked(found, folder, top_k=3)
    images = torch.stack([torch.from_numpy(_pixels(answer.path)) for answer in answers.found])
    expected = found.logits(images)[:, 0].tolist()
    assert [answer.columns["prediction"] for answer in answers.found] == pytest.approx(expected, rel=1e-5)
    assert [answer.columns["twice"] for answer in answers.found] == pytest.approx([2 * x for x in expected], rel=1e-5)
    assert all(answer.top == () for answer in answers.found)
    record = json.loads(format_answers(answers, "json"))["predictions"][0]
    assert record == {"path": answers.found[0].path, **answers.found[0].columns}
    with pytest.raises(ConfigError, match="--max-error needs what classification learns"):
        asked(found, folder, max_error=0.1)


def test_probabilities_have_four_decimals_and_numbers_keep_their_digits() -> None:
    assert format_answers(Answers([ONE, NONE], {}), "csv") == (
        "path,prediction,probability,top1,p1,top2,p2\n"
        "a.png,bee,0.7500,bee,0.7500,ant,0.2000\n"
        "b.png,,,bee,0.3000,ant,0.2500\n"
    )  # fmt: skip
    read = list(csv.DictReader(io.StringIO(format_answers(Answers(NUMBERS, {}), "csv"))))
    assert read == [
        {"path": "a.png", "prediction": "1.25e-05", "error": ""},
        {"path": "b.png", "prediction": "123456.8", "error": "0.5"},
    ]
    assert [line.split() for line in format_answers(Answers(NUMBERS, {}), "table").splitlines()] == [
        ["path", "prediction", "error"], ["a.png", "1.25e-05"], ["b.png", "123456.8", "0.5"],
    ]  # fmt: skip


def test_in_json_the_threshold_and_the_files_that_failed_stand_beside_the_answers() -> None:
    answers = Answers([ONE, NONE], {"c.png": "is empty"}, threshold=0.5, answered=0.9, samples=20)
    assert json.loads(format_answers(answers, "json")) == {
        "threshold": 0.5,
        "answered": 0.9,
        "predictions": [
            {
                "path": "a.png", "prediction": "bee", "probability": 0.75,
                "top": [{"class": "bee", "probability": 0.75}, {"class": "ant", "probability": 0.2}],
            },
            {
                "path": "b.png", "prediction": "", "probability": None,
                "top": [{"class": "bee", "probability": 0.3}, {"class": "ant", "probability": 0.25}],
            },
        ],
        "errors": [{"path": "c.png", "error": "is empty"}],
    }  # fmt: skip


def test_without_an_answer_there_is_the_header_alone() -> None:
    assert format_answers(Answers([], {"a.png": "is empty"}), "csv") == "path,prediction,probability\n"
    assert format_answers(Answers([], {}), "table") == "path  prediction  probability\n"
    with pytest.raises(ConfigError, match="--format jsn"):
        format_answers(Answers([], {}), "jsn")
