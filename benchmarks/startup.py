"""Seconds until a command has answered, beside those of importing torch: ``python -m benchmarks.startup``.

A first round that does not count puts files into the system's cache, and lets cnncli keep what it keeps.
"""

from benchmarks.side_by_side import Column, Contender, Taken, machine, parser, show, take_turns

# up to the first line, and no further
FIRST_LINE = """
import sys
from cnncli.cli import app, commands
def say_first(line, quiet):
    print(line)
    raise KeyboardInterrupt
commands.say_first = say_first
app.run(["train", "digits"])
"""
MISSING = """
from cnncli.cli.app import run
assert run(["train", "nosuch.yaml"]) == 2
"""
TORCH = Contender("import torch", ["-c", "import torch"])


def contenders(device: str) -> list[Contender]:
    """Commands of cnncli, and the imports that most of them need."""
    dry_run = ["train", "configs/mnist.yaml", f"device={device.partition(':')[0]}", "--dry-run"]
    return [
        Contender("first line of cnncli train digits", ["-c", FIRST_LINE]),
        Contender("cnncli train nosuch.yaml", ["-c", MISSING]),
        Contender("cnncli --help", ["-m", "cnncli", "--help"]),
        Contender("cnncli list models", ["-m", "cnncli", "list", "models"]),
        Contender("cnncli config configs/mnist.yaml", ["-m", "cnncli", "config", "configs/mnist.yaml"]),
        Contender("cnncli train … --dry-run", ["-m", "cnncli", *dry_run]),
        TORCH,
        Contender("import torch, torchvision", ["-c", "import torch, torchvision"]),
    ]


def seconds(turn: Taken) -> float:
    """Of the whole process."""
    return float(turn["process"])


def main() -> None:
    """Print the table."""
    given = parser(__doc__, rounds=7).parse_args()
    print(machine(given.device), flush=True)
    commands = contenders(given.device)
    take_turns(commands, 1, given.device)
    columns = [Column("seconds", seconds), Column("ratio to import torch", seconds, against=TORCH.name)]
    show("Starting", take_turns(commands, given.rounds, given.device), columns)


if __name__ == "__main__":
    main()
