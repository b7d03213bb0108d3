"""Peak resident memory of an epoch of MNIST and its evaluation: ``CNNCLI_DATA=… python -m benchmarks.memory``.

The peak (``ru_maxrss``) is that of the whole process, imports included. Pages of memory-mapped files count too, though
the system can drop them at any time: torch's own libraries, and a data set that is read in place.
"""

from benchmarks.epoch import MNIST, PLAIN
from benchmarks.side_by_side import Column, Contender, Taken, machine, parser, show, take_turns

IMPORTS = Contender("import torch, torchvision alone", ["-c", "import torch, torchvision"])


def peak(turn: Taken) -> float:
    """In MiB."""
    return float(turn["peak"])


def main() -> None:
    """Print the table."""
    given = parser(__doc__, rounds=3).parse_args()
    print(machine(given.device), flush=True)
    columns = [Column("peak, MiB", peak, "{:,.0f}"), Column("ratio to plain", peak, against=PLAIN)]
    show("Memory of one epoch of MNIST", take_turns([*MNIST, IMPORTS], given.rounds, given.device), columns)


if __name__ == "__main__":
    main()
