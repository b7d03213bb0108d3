"""One training epoch of MNIST's 60,000 pictures, cnncli against plain PyTorch, its floor, and other tools.

    CNNCLI_DATA=… python -m benchmarks.epoch --rounds 7 --peers-python path/to/other/venv/bin/python

conv 32, conv 64, linear 128, linear 10 (421,642 parameters), Adam 1e-3, batches of 64; the 10,000 test pictures are
evaluated once, right after it. A tool that is not installed is named and left out.
"""

import argparse
import json
import subprocess
import sys

from benchmarks.side_by_side import Column, Contender, Taken, machine, parser, show, take_turns

MNIST = (
    Contender("plain PyTorch", ["-m", "benchmarks.plain_mnist"]),
    Contender("cnncli", ["-m", "benchmarks.cnncli_mnist"]),
    Contender("floor", ["-m", "benchmarks.floor_mnist"]),
)
PEERS = (  # name, the package it needs, arguments
    ("Lightning", "lightning", ["lightning_mnist"]),
    ("Lightning, 2 workers, bf16", "lightning", ["lightning_mnist", "--tuned"]),
    ("Keras 3 on torch", "keras", ["keras_mnist"]),
    ("Keras 3 on torch, bf16", "keras", ["keras_mnist", "--bf16"]),
    ("skorch", "skorch", ["skorch_mnist"]),
    ("fastai", "fastai", ["fastai_mnist"]),
)
PLAIN = MNIST[0].name


def arguments(description: str | None) -> argparse.Namespace:
    """The command line of the benchmarks that compare with other tools."""
    made = parser(description)
    made.add_argument("--peers-python", default=sys.executable, metavar="PATH", help="the interpreter that has them")
    return made.parse_args()


def contenders(python: str) -> list[Contender]:
    """cnncli, the plain script, the floor, and the tools that ``python`` can import; the others are named."""
    code = "import sys; from importlib.util import find_spec; print([n for n in sys.argv[1:] if find_spec(n)])"
    command = [python, "-c", code, *dict.fromkeys(package for _, package, _ in PEERS)]
    there = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    installed = json.loads(there.replace("'", '"'))
    for name, package, _ in PEERS:
        if package not in installed:
            print(f"{name}: not installed")
    peers = [
        Contender(name, ["-m", f"benchmarks.peers.{script}", *options], python=python)
        for name, package, (script, *options) in PEERS
        if package in installed
    ]
    return [*MNIST, *peers]


def train_seconds(turn: Taken) -> float:
    """Seconds of the (mean) epoch."""
    return sum(turn["train"]) / len(turn["train"])


def main() -> None:
    """Print the table."""
    given = arguments(__doc__)
    print(machine(given.device), flush=True)
    taken = take_turns(contenders(given.peers_python), given.rounds, given.device)
    columns = [
        Column("epoch, s", train_seconds),
        Column("ratio to plain", train_seconds, against=PLAIN),
        Column("evaluation, s", lambda turn: turn["eval"]),
        Column("test accuracy", lambda turn: turn["accuracy"], "{:.2%}"),
    ]
    show("One epoch of MNIST", taken, columns)


if __name__ == "__main__":
    main()
