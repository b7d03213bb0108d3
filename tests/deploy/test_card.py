"""The model card: figures of the run's own records, nothing else, and Markdown that no name can break."""

import hashlib
import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from cnncli.cli.app import run
from cnncli.core.errors import CheckpointError
from cnncli.core.metrics import format_metric
from cnncli.deploy.card import card, write_card
from cnncli.deploy.markdown import plain, table
from tests.conftest import Answer, make_pictures

QUICK = ["logging.tensorboard=false", "logging.samples=false", "logging.pictures=false", "logging.report=false"]
HEADINGS = ["Training data", "Preprocessing", "Results", "Calibration", "Limits", "How it was made"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each kind, with little training."""
    folder = tmp_path_factory.mktemp("cards")
    months = [f"{1949 + i // 12}-{i % 12 + 1:02d},{100 + i + 20 * math.sin(i / 12 * math.tau):.1f}" for i in range(144)]
    (folder / "passengers.csv").write_text("\n".join(["Month,Passengers", *months]) + "\n")
    (folder / "text.txt").write_text("To be, or not to be, that is the question.\n" * 60)
    make_pictures(folder / "photos", {"ants": 20, "bees": 20}, seed=1)
    files = sorted(path.relative_to(folder / "photos") for path in (folder / "photos").rglob("*.*") if path.is_file())
    rows = [f"{path},{'an|six' if path.parts[0] == 'ants' else 'six' if n % 3 else ''}" for n, path in enumerate(files)]
    (folder / "photos" / "labels.csv").write_text("\n".join(["path,labels", *rows]) + "\n")
    several = folder / "several.yaml"
    several.write_text(
        f"dataset: {{name: image_csv, path: {folder}/photos/labels.csv, label: labels, image_size: 16}}\n"
        "model: {name: mlp, hidden: [8]}\ntask: multilabel\n"
    )
    for name, *words in (
        ["digits", "digits", "train.epochs=2"],
        ["iris", "classification/iris", "train.epochs=5"],
        ["airline", "forecasting/airline", f"dataset.file={folder}/passengers.csv", "train.epochs=2"],
        [
            "text",
            "text/lstm",
            f"dataset.path={folder}/text.txt",
            "model.hidden=8",
            "dataset.block=16",
            "train.epochs=1",
        ],
        ["several", str(several), "train.epochs=1"],
    ):
        assert run(["train", *words, *QUICK, "--name", f"{name}/one", "--runs-dir", str(folder / "runs")]) == 0
    return folder / "runs"


def parts(text: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The YAML before the card, and its sections by their headings."""
    _, front, body = text.split("---\n", 2)
    pieces = re.split(r"^## (.*)$", body, flags=re.MULTILINE)
    return yaml.safe_load(front), dict(zip(pieces[1::2], pieces[2::2], strict=True))


@pytest.mark.parametrize("name", ["digits", "iris", "airline", "text", "several"])
def test_the_figures_of_a_card_are_those_of_the_run(name: str, runs: Path) -> None:
    folder = runs / name / "one"
    text = card(folder / "best.pt")
    front, sections = parts(text)
    result = json.loads((folder / "result.json").read_text())
    assert [heading for heading in sections if heading != "Each class"] == HEADINGS
    assert front["license"] == "unknown"
    assert "license: unknown  # fill in\n" in text
    (about,) = front["model-index"][0]["results"]
    assert about["dataset"]["split"] == result["split"]
    reached = {each["type"]: each["value"] for each in about["metrics"]}
    assert reached == {key: value for key, value in result["metrics"][result["split"]].items() if key != "n"}
    for split, words in {"train": "training", "val": "validation", "test": "test"}.items():
        if split in result["metrics"]:
            values = result["metrics"][split]
            assert f"{values['n']:,} {words}" in sections["Training data"]
            row = next(line for line in sections["Results"].splitlines() if line.startswith(f"| {words} "))
            for key, value in values.items():
                assert key == "n" or f" {format_metric(key, value)} |" in row
    if "interval" in result:
        low, high = (format_metric(result["headline"]["metric"], end) for end in result["interval"])
        assert f"{low} to {high}" in sections["Results"]
    for baseline in result["baselines"]:
        assert f"| baseline: {plain(baseline['name'])}" in sections["Results"]
    sha256 = hashlib.sha256((folder / "best.pt").read_bytes()).hexdigest()
    assert f"SHA-256 `{sha256}`" in text
    assert (folder / "config.yaml").read_text() in text
    told = {"test": "- Test looked at once\n", "val": "- There is no test split: the results are on validation\n"}
    assert told[result["split"]] in sections["Limits"]
    assert "\n\n\n" not in text


def test_weak_classes_come_first_and_calibration_is_told(runs: Path) -> None:
    _, sections = parts(card(runs / "digits/one/best.pt"))
    result = json.loads((runs / "digits/one/result.json").read_text())
    lowest = min(result["per_class"].items(), key=lambda item: item[1]["recall"])[1]["recall"]
    first = next(line for line in sections["Each class"].splitlines() if line.startswith("| ") and "(7" in line)
    rates = re.findall(r"\| \d+ \| (\d+\.\d) % \(", sections["Each class"])
    assert len(rates) == 10
    assert [float(rate) for rate in rates] == sorted(map(float, rates))
    assert first
    assert float(rates[0]) == pytest.approx(100 * lowest, abs=0.051)
    checkpoint = torch.load(runs / "digits/one/best.pt", weights_only=True)
    assert f"{checkpoint['calibration']['temperature']:.4g}" in sections["Calibration"]
    assert "Calibration error" in sections["Calibration"]
    _, sections = parts(card(runs / "several/one/best.pt"))
    assert re.search(r"Thresholds: an \d", sections["Calibration"])
    assert "recall (95 % interval)" in sections["Each class"]


def test_of_a_copy_or_of_other_weights_nothing_is_claimed(runs: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copies" / "mine.pt"
    copy.parent.mkdir()
    shutil.copy(runs / "digits/one/best.pt", copy)
    front, sections = parts(card(copy))
    assert "model-index" not in front
    assert "Test results: not recorded for these weights." in sections["Results"]
    assert "How often the test split was looked at: not recorded" in sections["Limits"]
    assert "others not recorded" in sections["How it was made"]
    front, sections = parts(card(runs / "digits/one/last.pt"))
    assert "model-index" not in front
    assert "interval" not in sections["Results"]


def test_adopted_weights_are_said_to_be_of_unknown_training(cnncli: Callable[..., Answer]) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    torch.save(network.state_dict(), "script.pth")
    words = ["digits", "model={name: mlp, hidden: [16]}", "baselines=none", *QUICK, "--name", "mine/one"]
    assert cnncli("adopt", "script.pth", *words).code == 0
    text = card(Path("runs/mine/one/best.pt"))
    sha256 = hashlib.sha256(Path("script.pth").read_bytes()).hexdigest()
    assert f"adopted from the file script.pth, SHA-256 `{sha256}`; not trained by cnncli" in text
    assert "What the weights were trained on: not recorded" in text
    assert "Whether the weights were trained on samples of these splits: not recorded" in text
    assert "epoch 0" not in text
    assert "while the network learned" not in text


def test_a_card_is_written_beside_an_export(runs: Path, tmp_path: Path) -> None:
    path = write_card(runs / "text/one/best.pt", tmp_path)
    assert path == tmp_path / "card.md"
    assert path.read_text() == card(runs / "text/one/best.pt")


def test_what_is_no_checkpoint_has_no_card(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_text("nothing")
    with pytest.raises(CheckpointError, match="cannot be read"):
        card(tmp_path / "a.pt")


def test_names_stay_names_in_markdown() -> None:
    assert plain("a|b\n# c <img src=x> `d` [e](f)") == r"a\|b # c &lt;img src=x&gt; \`d\` \[e\](f)"
    lines = table(["class", "n"], [["x | y", "3"]]).splitlines()
    assert lines == ["| class | n |", "| --- | --: |", r"| x \| y | 3 |"]
