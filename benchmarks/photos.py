"""Photos at 224 pixels, cnncli against plain PyTorch: ``python -m benchmarks.photos FOLDER``.

FOLDER holds ``train/<class>/…`` and ``val/<class>/…`` (the tutorials' ants and bees: 244 and 153 photos). First the
loaders alone, RandomResizedCrop, flip and normalisation: pictures a second. Then a ResNet-18 learning from them, random
weights, batches of 32, SGD: seconds of training of an epoch. Both from the second epoch on: the first one starts
workers and opens files, and cnncli's decodes every picture once.
"""

from pathlib import Path
from statistics import median

from benchmarks.side_by_side import Column, Contender, Taken, machine, parser, show, take_turns

PLAIN = "plain PyTorch"


def contenders(what: str, folder: Path, epochs: int) -> list[Contender]:
    """Both, feeding or training."""
    words = [what, str(folder), str(epochs)]
    plain = Contender(PLAIN, ["-m", "benchmarks.plain_photos", *words])
    return [plain, Contender("cnncli", ["-m", "benchmarks.cnncli_photos", *words])]


def seconds(turn: Taken) -> float:
    """Of an epoch from the second on."""
    return median(turn["seconds"][1:])


def speed(turn: Taken) -> float:
    """Pictures a second of such an epoch."""
    return float(turn["pictures"]) / seconds(turn)


def main() -> None:
    """Print both tables."""
    made = parser(__doc__, rounds=3)
    made.add_argument("folder", type=Path)
    made.add_argument("--epochs", type=int, default=4, metavar="N", help="of each turn, at least 2; 4 unless given")
    given = made.parse_args()
    folder = given.folder.resolve()
    print(machine(given.device), flush=True)
    fed = take_turns(contenders("feed", folder, given.epochs), given.rounds, given.device)
    columns = [Column("pictures/s", speed, "{:,.0f}"), Column("times as fast", speed, against=PLAIN)]
    show("Feeding photos", fed, columns)
    trained = take_turns(contenders("train", folder, given.epochs), given.rounds, given.device)
    columns = [Column("epoch, s", seconds), Column("ratio to plain", seconds, against=PLAIN)]
    show("ResNet-18 on photos", trained, columns)


if __name__ == "__main__":
    main()
