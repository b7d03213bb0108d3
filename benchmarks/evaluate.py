"""Seconds of evaluating MNIST's 10,000 test pictures, once, right after an epoch of training in the same process.

    CNNCLI_DATA=… python -m benchmarks.evaluate --rounds 7 --peers-python path/to/other/venv/bin/python

The contenders are those of ``benchmarks.epoch``. Of cnncli it is the whole look at the test split that ends a run,
confusion matrix, figures of each class and baselines included; of the others it is the accuracy.
"""

from benchmarks.epoch import PLAIN, arguments, contenders
from benchmarks.side_by_side import Column, Taken, machine, show, take_turns


def eval_seconds(turn: Taken) -> float:
    """What the contender measured."""
    return float(turn["eval"])


def main() -> None:
    """Print the table."""
    given = arguments(__doc__)
    print(machine(given.device), flush=True)
    taken = take_turns(contenders(given.peers_python), given.rounds, given.device)
    columns = [
        Column("seconds", eval_seconds, "{:.3f}"),
        Column("ratio to plain", eval_seconds, against=PLAIN),
        Column("pictures/s", lambda turn: 10_000 / turn["eval"], "{:,.0f}"),
        Column("test accuracy", lambda turn: turn["accuracy"], "{:.2%}"),
    ]
    show("Evaluating 10,000 pictures", taken, columns)


if __name__ == "__main__":
    main()
