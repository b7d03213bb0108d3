"""What TensorBoard's own server answers about runs: in the tabs of scalars, HParams, PR curves and the projector."""

import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from cnncli.cli.app import run as command

SHARED = ["logging.pictures=false", "train.epochs=2"]
RUNS = {
    "a": ["model={name: simple_cnn, channels: [4, 8]}", "seed=0"],
    "b": ["model=mlp", "seed=1", "optimizer.lr=0.002"],
}


def get(url: str, body: Any = None, **query: str) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    asked = Request(f"{url}?{urlencode(query)}" if query else url, data, {"Content-Type": "application/json"})
    with urlopen(asked, timeout=10) as answer:
        return bytes(answer.read())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a TensorBoard that shows two small runs of different networks."""
    place = tmp_path_factory.mktemp("served")
    (place / "net.yaml").write_text("name: net\ndataset: digits\nmodel: mlp\n")
    for name, words in RUNS.items():
        told = ["train", str(place / "net.yaml"), "--runs-dir", str(place), "--name", f"net/{name}", *words, *SHARED]
        assert command(told) == 0
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    arguments = ["--logdir", str(place / "net"), "--port", str(port), "--load_fast", "false", "--reload_interval", "1"]
    process = subprocess.Popen([sys.executable, "-m", "tensorboard.main", *arguments], stderr=subprocess.DEVNULL)
    url = f"http://localhost:{port}"
    try:
        for _ in range(200):
            try:
                if len(json.loads(get(f"{url}/data/runs"))) == len(RUNS):
                    break
            except (URLError, ConnectionError):
                assert process.poll() is None
            time.sleep(0.3)
        yield url
    finally:
        process.terminate()
        process.wait()


@pytest.mark.slow
def test_runs_are_entries_and_every_tab_has_its_data(server: str) -> None:
    assert sorted(json.loads(get(f"{server}/data/runs"))) == ["a", "b"]
    tabs: dict[str, Any] = {}
    for _ in range(20):  # some tabs look for their data when they are first asked for
        tabs = json.loads(get(f"{server}/data/plugins_listing"))
        if tabs["projector"]["enabled"]:
            break
        time.sleep(0.5)
    for tab in ("timeseries", "scalars", "custom_scalars", "images", "graphs", "distributions", "histograms",
                "pr_curves", "hparams", "projector"):  # fmt: skip
        assert tabs[tab]["enabled"], tab
    layout = json.loads(get(f"{server}/data/plugin/custom_scalars/layout"))
    charts = [[chart["title"] for chart in category["chart"]] for category in layout["category"]]
    assert charts == [["loss", "accuracy"], ["loss", "accuracy", "balanced_accuracy", "macro_f1"]]
    chart = json.loads(get(f"{server}/data/plugin/custom_scalars/scalars", run="a", tag="^val/loss$"))
    assert [point[1] for point in chart["tag_to_events"]["val/loss"]] == [1, 2]


@pytest.mark.slow
def test_hparams_shows_what_differs_and_the_headline_first(server: str) -> None:
    asked = f"{server}/data/plugin/hparams"
    found = json.loads(get(f"{asked}/experiment", {"experimentName": ""}))
    columns = [info["name"] for info in found["hparamInfos"]]
    assert columns[:3] == ["model.name", "optimizer.lr", "seed"], "those in which runs differ, defaults or not"
    assert set(columns[3:]) == {
        "dataset.batch_size", "dataset.name", "model.channels", "model.dropout", "optimizer.name",
        "optimizer.weight_decay", "scheduler.name", "train.epochs",
    }  # fmt: skip
    metrics = [info["name"]["tag"] for info in found["metricInfos"]]
    assert metrics[:3] == ["final/1_test_accuracy", "final/2_val_accuracy", "final/3_baseline_accuracy"]
    every = {"experimentName": "", "startIndex": 0, "sliceSize": 10,
             "allowedStatuses": ["STATUS_SUCCESS"], "colParams": []}  # fmt: skip
    groups = json.loads(get(f"{asked}/session_groups", every))["sessionGroups"]
    values = {group["name"]: group["hparams"] for group in groups}
    assert {name: (row["seed"], row["optimizer.lr"], row["model.name"]) for name, row in values.items()} == {
        "a": ("0", "0.001", "simple_cnn"), "b": ("1", "0.002", "mlp")
    }  # fmt: skip


@pytest.mark.slow
def test_the_projector_has_samples_with_labels_and_thumbnails(server: str) -> None:
    asked = f"{server}/data/plugin/projector"
    assert sorted(json.loads(get(f"{asked}/runs"))) == ["a", "b"]
    (about,) = json.loads(get(f"{asked}/info", run="a"))["embeddings"]
    count, width = about["tensorShape"]
    vectors = get(f"{asked}/tensor", run="a", name=about["tensorName"])
    assert len(vectors) == 4 * count * width
    labels = get(f"{asked}/metadata", run="a", name=about["tensorName"]).decode().splitlines()
    assert labels[0].split("\t") == ["sample", "true", "predicted", "right", "loss", "id"]
    assert len(labels) == count + 1 == 144
    assert {line.split("\t")[1] for line in labels[1:]} == set("0123456789")
    assert get(f"{asked}/sprite_image", run="a", name=about["tensorName"]).startswith(b"\x89PNG")


@pytest.mark.slow
def test_pictures_curves_histograms_and_the_graph_are_served(server: str) -> None:
    pictures = json.loads(get(f"{server}/data/plugin/images/tags"))["a"]
    assert set(pictures) == {"train_pictures/samples", "val_pictures/mistakes", "val_pictures/confusion"}
    curves = json.loads(get(f"{server}/data/plugin/pr_curves/tags"))["a"]
    assert set(curves) == {f"pr/{digit}" for digit in range(10)}
    points = json.loads(get(f"{server}/data/plugin/pr_curves/pr_curves", tag="pr/3", run="a"))["a"][0]
    assert points["recall"][0] == 1
    assert min(points["precision"]) >= 0
    histograms = json.loads(get(f"{server}/data/plugin/histograms/tags"))["a"]
    assert {tag.partition("/")[0] for tag in histograms} == {
        "values_of_weights", "values_of_gradients", "values_of_activations"
    }  # fmt: skip
    assert b"Conv2d[0]/conv2d" in get(f"{server}/data/plugin/graphs/graph", run="a")


@pytest.mark.slow
def test_a_browser_shows_the_runs(server: str) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("needs chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 f"--user-data-dir={profile}", "--virtual-time-budget=20000", "--dump-dom"]  # fmt: skip
        shown = subprocess.run([browser, *flags, f"{server}/#timeseries"], capture_output=True, text=True, timeout=120)
    groups = re.findall(r'class="group-title"[^>]*>(\w+)', shown.stdout)
    groups = [group for group in groups if group != "Pinned"]  # it comes once the settings are there
    assert groups[:2] == ["final", "train"], groups
    assert "final/1_test_accuracy" in shown.stdout
