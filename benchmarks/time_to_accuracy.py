"""How fast a config reaches its accuracy, seed by seed, by the command line.

    CNNCLI_DATA=… python -m benchmarks.time_to_accuracy [CONFIG] --seeds 10 --plain 3

Training is the sum of ``train_seconds`` of metrics.jsonl; the process is all of it, imports, evaluation and pictures
included. Accuracies are those of the epoch that validation picked. ``--plain N`` has the plain script train MNIST for
ten epochs beside the first N seeds, and adds its seconds and how many times longer they are.
"""

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev

from benchmarks.side_by_side import Contender, machine, measure, new_table, parser, print_table, read_run

CONFIG = "configs/mnist-fast.yaml"
PLAIN = Contender("plain PyTorch, ten epochs", ["-m", "benchmarks.plain_mnist", "10"])
COLUMNS = ("val, %", "test, %", "train, s", "process, s", "plain, s", "ratio")
STYLES = ("{:.2f}", "{:.2f}", "{:.2f}", "{:.1f}", "{:.1f}", "{:.1f}")


def one_seed(config: str, seed: int, plain: bool, device: str) -> list[float]:
    """The cells of one seed; the last two only with ``plain``."""
    with tempfile.TemporaryDirectory() as runs:
        settings = [f"seed={seed}", f"device={device.partition(':')[0]}"]
        words = ["train", config, *settings, "--json", "--runs-dir", runs, "--name", "benchmark/run"]
        taken = measure(Contender(f"{config}, seed {seed}", ["-m", "cnncli", *words]), seed, device)
        lines, result = read_run(Path(runs, "benchmark", "run"))
    seconds = sum(line["train_seconds"] for line in lines)
    cells = [100 * result["metrics"][split]["accuracy"] for split in ("val", "test")] + [seconds, taken["process"]]
    if not plain:
        return cells
    others = sum(measure(PLAIN, seed, device)["train"])
    return [*cells, others, others / seconds]


def summary(columns: Sequence[Sequence[float]], of: Callable[[Sequence[float]], float]) -> list[str]:
    """``of`` every column that has enough values for it."""
    return [style.format(of(values)) if len(values) > 1 else "" for values, style in zip(columns, STYLES, strict=False)]


def main() -> None:
    """Print the table."""
    made = parser(__doc__, 10, "--seeds")
    made.add_argument("config", nargs="?", default=CONFIG, help=f"{CONFIG} unless given")
    made.add_argument("--plain", nargs="?", type=int, const=1, default=0, metavar="N", help="with how many seeds")
    given = made.parse_args()
    print(machine(given.device), flush=True)
    shown = len(COLUMNS) if given.plain else len(COLUMNS) - 2
    table = new_table("seed", *COLUMNS[:shown])
    rows = []
    for seed in range(given.rounds):
        print(f"seed {seed}", file=sys.stderr, flush=True)
        rows.append(one_seed(given.config, seed, seed < given.plain, given.device))
        table.add_row(str(seed), *(style.format(cell) for style, cell in zip(STYLES, rows[-1], strict=False)))
    table.add_section()
    columns = [[row[number] for row in rows if len(row) > number] for number in range(shown)]
    for name, of in {"lowest": min, "mean": mean, "deviation": stdev}.items():
        table.add_row(name, *summary(columns, of))
    print_table(given.config, table)


if __name__ == "__main__":
    main()
