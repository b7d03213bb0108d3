"""Seconds until a command has answered, beside those of importing torch: ``python -m benchmarks.startup``.

A first round that does not count puts files into the system's cache, and lets cnncli keep what it keeps.
"""

from benchmarks.side_by_side import Column, Contender, Taken, machine, parser, show, take_turns

TORCH = Contender("import torch", ["-c", "import torch"])


def contenders(device: str) -> list[Contender]:
    """Commands of cnncli, and the imports that most of them need."""
    dry_run = ["train", "configs/mnist.yaml", f"device={device.partition(':')[0]}", "--dry-run"]
    return [
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
