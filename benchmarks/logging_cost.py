"""What default logging and kept outputs cost: configs/mnist.yaml with all of them, and with none.

    CNNCLI_DATA=… python -m benchmarks.logging_cost --rounds 3 --epochs 2

Both take turns in fresh processes. ``whole run`` has all that the command does, its start and its pictures at the end
included; what is done once in a run weighs the more the fewer epochs there are, so that the ratio of two epochs is
above that of ten. ``CPU`` is the time of all threads, which other programs on the machine change less.
"""

import json
import os
import sys
import time
from pathlib import Path

from benchmarks.cnncli_run import train
from benchmarks.on_device import chosen
from benchmarks.side_by_side import Column, Contender, machine, parser, show, take_turns

CONFIG = Path(__file__).parents[1] / "configs" / "mnist.yaml"
NONE = "logging={tensorboard: false, samples: false, pictures: false, outputs: false, steps: 0}"
ALL = "logging={}"


def turn(words: list[str]) -> None:
    """Train once, and say how long it took."""
    start = time.perf_counter()
    _, result = train([str(CONFIG), f"device={chosen()}", f"seed={os.environ.get('SEED', '0')}", *words])
    seconds = {"run": time.perf_counter() - start, "cpu": time.process_time()}
    print(json.dumps({**seconds, "accuracy": result["metrics"]["test"]["accuracy"]}))


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["turn"]:
        turn(sys.argv[2:])
        return
    made = parser(__doc__, 3)
    made.add_argument("--epochs", type=int, default=2, metavar="N", help="2 unless given")
    given = made.parse_args()
    print(machine(given.device), flush=True)
    contenders = [
        Contender(name, ["-m", "benchmarks.logging_cost", "turn", logging, f"train.epochs={given.epochs}"])
        for name, logging in (("none", NONE), ("default", ALL))
    ]
    taken = take_turns(contenders, given.rounds, given.device)
    columns = [
        Column("whole run, s", lambda turn: turn["run"]),
        Column("ratio", lambda turn: turn["run"], "{:.3f}", against="none"),
        Column("CPU, s", lambda turn: turn["cpu"]),
        Column("ratio of CPU", lambda turn: turn["cpu"], "{:.3f}", against="none"),
        Column("test accuracy", lambda turn: turn["accuracy"], "{:.2%}"),
    ]
    show(f"MNIST, {given.epochs} epochs, by what is logged", taken, columns)


if __name__ == "__main__":
    main()
