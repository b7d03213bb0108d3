"""Seconds until a command has answered, beside those of importing torch: ``python -m benchmarks.startup``.

A first round that does not count puts files into the system's cache, and lets cnncli keep what it keeps.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.many_runs import make_runs
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


def contenders(device: str, runs: Path) -> list[Contender]:
    """Commands of cnncli, and the imports that most of them need; in ``runs`` there are 500 folders."""
    dry_run = ["train", "configs/mnist.yaml", f"device={device.partition(':')[0]}", "--dry-run"]
    return [
        Contender("first line of cnncli train digits", ["-c", FIRST_LINE]),
        Contender("cnncli train nosuch.yaml", ["-c", MISSING]),
        Contender("cnncli --help", ["-m", "cnncli", "--help"]),
        Contender("cnncli list models", ["-m", "cnncli", "list", "models"]),
        Contender("cnncli config configs/mnist.yaml", ["-m", "cnncli", "config", "configs/mnist.yaml"]),
        Contender("cnncli runs (500 folders)", ["-m", "cnncli", "runs", "--runs-dir", str(runs)]),
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
    with TemporaryDirectory() as folder:
        make_runs(Path(folder))
        commands = contenders(given.device, Path(folder))
        take_turns(commands, 1, given.device)
        taken = take_turns(commands, given.rounds, given.device)
    columns = [Column("seconds", seconds), Column("ratio to import torch", seconds, against=TORCH.name)]
    show("Starting", taken, columns)


if __name__ == "__main__":
    main()
