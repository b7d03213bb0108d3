"""``cnncli serve`` under load, beside a bare loop: ``python -m benchmarks.serve``.

A ResNet-18 at 224 pixels with two classes, trained for one epoch on a few made photos. ``--clients`` threads of one
other process each send one JPEG after the other and compare every answer with that of ``cnncli predict``'s code, worked
out before. They speak HTTP with the server and, in the other turns, a length and the same JPEG with the bare loop: one
thread that takes what has arrived, at most a batch, decodes it with the same decoder in a pool of threads, and asks the
same network once. So both have the same clients beside them, which take their part of the processor, the same runtime
and the same largest batch. The bare loop lacks what a server has: HTTP, limits, forms, JSON, metrics, logs.

In the end the server runs with a short queue: requests beyond it get 503; fewer clients are all answered again.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import urlopen

import numpy as np
import torch
from PIL import Image

from benchmarks.side_by_side import Taken, machine, new_table, parser, print_table
from cnncli.cli.app import run
from cnncli.inference.gather import Asked, gather
from cnncli.inference.predict_pictures import predict_pictures, read_asked
from cnncli.inference.predictor import load_predictor
from cnncli.runs.checkpoint import digest

PICTURES = 64  # different ones
CHECKPOINT = Path("runs/serve/one/best.pt")
CONFIG = """\
dataset: {name: image_folder, path: photos, image_size: 224, resize: 256, batch_size: 16, val_fraction: 0.25}
model: resnet18
optimizer: {name: sgd, lr: 0.01}
train: {epochs: 1}
precision: fp32
compute: {compile: "off"}
logging: {tensorboard: false, samples: false, pictures: false, outputs: false, report: false}
"""


def make_photos(folder: Path) -> None:
    """JPEGs of 500 × 375 pixels in two class folders: soft colours and some grain, as photos have."""
    draw = np.random.default_rng(0)
    for number in range(PICTURES):
        place = folder / "train" / ("even", "odd")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        soft = Image.fromarray(draw.integers(0, 255, (9, 12, 3), dtype=np.uint8)).resize(
            (500, 375), Image.Resampling.BICUBIC
        )
        grain = draw.normal(0, 12, (375, 500, 3))
        pixels = (np.asarray(soft) + grain).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(place / f"{number:03d}.jpg", quality=88)


def prepare(folder: Path) -> None:
    """Write the photos, the checkpoint, and what is to be answered for each picture."""
    make_photos(folder / "photos")
    (folder / "serve.yaml").write_text(CONFIG)
    before = Path.cwd()
    os.chdir(folder)
    try:
        if run(["train", "serve.yaml", "--name", "serve/one"]):
            sys.exit("the training failed")
        asked = gather([str(folder / "photos")])
        spread(CHECKPOINT, asked)
        answers = predict_pictures(load_predictor(CHECKPOINT), asked, untracked, workers=0)
    finally:
        os.chdir(before)
    told = {answer.path: [answer.columns["prediction"], answer.columns["probability"]] for answer in answers.found}
    (folder / "expected.json").write_text(json.dumps(told))


def untracked(items: Iterable[Any], _total: int, _what: str) -> Iterable[Any]:
    """Nothing is shown of a short work."""
    return items


def spread(checkpoint: Path, asked: Asked) -> None:
    """Scale the last layer so that the pictures have different probabilities: a mistaken answer is then seen."""
    predictor = load_predictor(checkpoint)
    logits = torch.cat([predictor.logits(images) for _, images, _ in read_asked(predictor, asked, untracked, 0)])
    margin = logits[:, 1] - logits[:, 0]
    content = torch.load(checkpoint, weights_only=True)
    content.pop("sha256")
    named = predictor.task.naming(logits)  # with the temperature
    assert named is not None
    weights, scale = content["model"], 1 / named.probabilities.logit()[:, 1].std()
    weights["fc.bias"] = (weights["fc.bias"] - torch.stack([torch.zeros(()), margin.mean()])) * scale
    weights["fc.weight"] = weights["fc.weight"] * scale
    torch.save({**content, "sha256": digest(content)}, checkpoint)


@contextmanager
def started(folder: Path, *words: str) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A program that tells the address that it listens on, and its port; it must end with 0."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
    if found is None:
        sys.exit(f"{words[0]} did not start:\n{(folder / 'log').read_text()}")
    try:
        yield process, int(found[1])
    finally:
        process.send_signal(signal.SIGTERM)
        if process.wait(60):
            sys.exit(f"{words[0]} ended with {process.returncode}:\n{(folder / 'log').read_text()[-3000:]}")


def load(folder: Path, port: int, how: str, clients: int, seconds: float) -> Taken:
    """What the clients have counted."""
    words = [str(folder), str(port), how, str(clients), str(seconds)]
    command = [sys.executable, "-m", "benchmarks.serve_clients", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    taken: Taken = json.loads(done.stdout)
    return taken


def served(folder: Path, checkpoint: Path, given: Any, loads: Sequence[int], *options: str) -> list[Taken]:
    """The server under load by so many clients, one load after the other."""
    words = ["serve", str(checkpoint), f"device={given.device}", "--port", "0", "--batch", str(given.batch), *options]
    with started(folder, "cnncli", *words) as (_, port):
        return [{**load(folder, port, "http", clients, given.seconds), "batch": mean_batch(port)} for clients in loads]


def mean_batch(port: int) -> float:
    """Samples in a batch, of all that the server has answered."""
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    total, count = (float(re.search(rf"batch_samples_{each}\S* (\S+)", text)[1]) for each in ("sum", "count"))  # type: ignore[index]
    return total / max(count, 1)


def bare(folder: Path, checkpoint: Path, given: Any) -> Taken:
    """The bare loop under load."""
    words = ["benchmarks.serve_bare", str(checkpoint), given.device, str(given.batch)]
    with started(folder, *words) as (_, port):
        return load(folder, port, "bare", given.clients, given.seconds)


def main() -> None:
    """Print a row for each of the two, their ratio, and what a short queue does."""
    made = parser(__doc__, rounds=1)
    made.add_argument("--clients", type=int, default=64, metavar="N")
    made.add_argument("--seconds", type=float, default=60, metavar="S", help="of each turn; 60 unless given")
    made.add_argument("--folder", metavar="FOLDER", help="keep photos and network there for the next time")
    made.add_argument("--batch", type=int, default=32, metavar="N")
    given = made.parse_args()
    print(machine(given.device), flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(given.folder or name).absolute()
        checkpoint = folder / CHECKPOINT
        if not (folder / "expected.json").exists():
            prepare(folder)
        rows: dict[str, list[Taken]] = {"cnncli serve": [], "bare loop": []}
        for number in range(given.rounds):
            turns = [
                lambda: rows["cnncli serve"].extend(served(folder, checkpoint, given, [given.clients])),
                lambda: rows["bare loop"].append(bare(folder, checkpoint, given)),
            ]
            for turn in turns[:: 1 if number % 2 == 0 else -1]:
                turn()
        show(rows)
        loads = [given.clients, max(given.clients // 8, 1)]
        full, after = served(folder, checkpoint, given, loads, "--queue", "16")
    told = ", ".join(f"{full[key]:,.0f} {key}" for key in ("good", "refused", "wrong", "failed"))
    print(f"with a queue of 16: {told}")
    print(f"with an eighth of the clients: {after['good']:,.0f} answered, {after['refused']:,.0f} refused")


def show(rows: dict[str, list[Taken]]) -> None:
    """The table, and the throughput's ratio."""
    keys = {"speed": "speed", "batch": "batch", "p50, ms": "p50", "p99, ms": "p99"}
    table = new_table("", *keys, "wrong", "failed", "503")
    for name, turns in rows.items():
        medians = [f"{median(turn[key] for turn in turns):.1f}" if key in turns[0] else "" for key in keys.values()]
        table.add_row(
            name, *medians, *(f"{sum(turn[key] for turn in turns):.0f}" for key in ("wrong", "failed", "refused"))
        )
    print_table("ResNet-18 at 224 pixels from JPEGs: pictures a second, mean batch", table)
    pairs = zip(*rows.values(), strict=True)
    print(f"throughput of the bare loop: {100 * median(ours['speed'] / other['speed'] for ours, other in pairs):.0f} %")


if __name__ == "__main__":
    main()
