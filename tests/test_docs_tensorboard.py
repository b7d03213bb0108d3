"""docs/tensorboard.md: its logger works as written, its keys are those of the config, its pictures are there."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cnncli.config.sections import LoggingConfig
from cnncli.runs.tensorboard import tagged
from tests.conftest import ROOT, Answer

PAGE = (ROOT / "docs" / "tensorboard.md").read_text()


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a stand-in for MLflow is told."""
    told: list[Any] = []
    module = ModuleType("mlflow")
    for name in ("set_experiment", "start_run", "log_params", "log_metrics", "end_run"):
        setattr(module, name, lambda *given, name=name, **more: told.append((name, *given, more)))
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return told


def test_the_logger_of_the_page_works_as_written(mlflow: list[Any], cnncli: Callable[..., Answer]) -> None:
    for block in re.findall(r"```(?:python|yaml)\n(.*?)```", PAGE, re.DOTALL):
        name = re.match(r"# (\S+)\n", block)
        assert name is not None
        Path(name[1]).write_text(block)
    quick = ("train.epochs=1", "logging.tensorboard=false", "logging.samples=false", "logging.pictures=false")
    answer = cnncli("train", "my.yaml", "--name", "my/one", *quick)
    assert answer.code == 0, answer.err
    assert "warning" not in answer.err
    assert mlflow[:2] == [("set_experiment", "digits", {}), ("start_run", {"run_name": "my/one"})]
    assert mlflow[2][1]["model.name"] == "mlp"
    metrics = [(given, more["step"]) for name, given, more in (line for line in mlflow if line[0] == "log_metrics")]
    assert {"val/accuracy", "epoch"} <= set(metrics[-2][0])
    assert next(iter(metrics[-1][0])) == "best_epoch"
    assert "final/test/accuracy" in metrics[-1][0]
    assert metrics[-1][1] == metrics[-2][1] > 1
    assert mlflow[-1] == ("end_run", {})


@pytest.mark.parametrize("command", re.findall(r"^cnncli (.*)$", PAGE, re.MULTILINE))
def test_its_commands_leave_out_and_add_what_it_says(command: str, cnncli: Callable[..., Answer]) -> None:
    words = command.replace("'", "").split()
    answer = cnncli(*words, "--name", "digits/one", "model.name=mlp", "train.epochs=1", "logging.pictures=false")
    assert answer.code == 0, answer.err
    run = Path("runs/digits/one")
    assert bool(list(run.glob("events*"))) == ("logging.tensorboard=false" not in words)
    assert (run / "metrics.csv").is_file() == ("logging.loggers=[csv]" in words)
    tags = EventAccumulator(str(run), size_guidance={"histograms": 0}).Reload().Tags()
    for part, key in (("graph", "logging.graph=false"), ("histograms", "logging.histograms=0")):
        assert bool(tags[part]) == (key not in words and "logging.tensorboard=false" not in words)


def test_every_key_has_its_line_with_its_default() -> None:
    rows = re.findall(r"^\|.*\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
    found = {key: default for key, default in rows if key in LoggingConfig.model_fields}
    assert set(found) == set(LoggingConfig.model_fields) - {"pictures", "report", "loggers", "outputs"}
    for key, told in found.items():
        default = LoggingConfig.model_fields[key].default
        assert (str(default).lower() if isinstance(default, bool) else str(default)) in [*told.split(), told], key


def test_tags_are_those_of_the_page() -> None:
    for names, tags in re.findall(r"^\| (`.*`) \| (`.*`) \|$", PAGE, re.MULTILINE):
        before, after = re.findall(r"`(\S+)`", names), re.findall(r"`(\S+)`", tags)
        assert list(tagged(dict.fromkeys(before, 1.0))) == after


def test_its_pictures_are_there_and_small() -> None:
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", PAGE)
    assert len(pictures) >= 5
    for picture in pictures:
        assert 1000 < (ROOT / "docs" / picture).stat().st_size < 150_000, picture
