"""Time per character at the beginning and at the end of a long text.

    python -m benchmarks.generation runs/text-lstm/a/best.pt runs/text-transformer/a/best.pt

A first text warms up; of the next ones the median time of characters 100 to 400 is compared with that of the last 300.
"""

import time
from itertools import pairwise
from pathlib import Path
from statistics import mean, median

from benchmarks.side_by_side import parser
from cnncli.inference.generate import generate
from cnncli.inference.predictor import load_predictor

LENGTH, PART = 2_000, 300


def milliseconds(path: Path, device: str) -> list[float]:
    """Milliseconds that each of ``LENGTH`` characters took."""
    predictor = load_predictor(path, [f"device={device}"])
    marks = [time.perf_counter()]
    for _ in generate(predictor, "\n", LENGTH):
        marks.append(time.perf_counter())
    return [1000 * (after - before) for before, after in pairwise(marks)]


def main() -> None:
    """A line for every checkpoint named on the command line."""
    made = parser(__doc__, 3)
    made.add_argument("checkpoints", nargs="+", metavar="CHECKPOINT")
    given = made.parse_args()
    print(f"{'checkpoint':40} {'start, ms':>10} {'end, ms':>10} {'end/start':>10}")
    for name in given.checkpoints:
        rounds = [milliseconds(Path(name), given.device) for _ in range(given.rounds + 1)][1:]
        # means, not medians, of a part: encoding the text anew now and then is part of the cost
        starts = [mean(taken[100 : 100 + PART]) for taken in rounds]
        ends = [mean(taken[-PART:]) for taken in rounds]
        ratio = median(end / start for start, end in zip(starts, ends, strict=True))
        print(f"{name:40} {median(starts):10.2f} {median(ends):10.2f} {ratio:10.2f}")


if __name__ == "__main__":
    main()
