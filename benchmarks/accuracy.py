"""Whether speed costs accuracy: test accuracy of cnncli and of the plain script over the same seeds.

    CNNCLI_DATA=… python -m benchmarks.accuracy --seeds 5 --epochs 1

p is that of Welch's t-test against the plain script: above 0.05 the means cannot be told apart with so many seeds. A
seed gives other weights and another order in either program, so that runs with the same seed are no pairs.
"""

from statistics import mean, stdev

from scipy.stats import ttest_ind

from benchmarks.side_by_side import Contender, machine, new_table, parser, print_table, take_turns

PLAIN = "plain PyTorch"
WAYS = {  # name: module and its words after the number of epochs
    PLAIN: ("benchmarks.plain_mnist",),
    "cnncli": ("benchmarks.cnncli_mnist",),
    "cnncli, precision=fp32": ("benchmarks.cnncli_mnist", "precision=fp32"),
}


def row(name: str, found: dict[str, list[float]]) -> list[str]:
    """The cells of one way; what needs two seeds is left open with one."""
    values = found[name]
    if len(values) < 2:
        return [name, f"{mean(values):.3f}", "–", "–"]
    p = "–" if name == PLAIN else f"{ttest_ind(values, found[PLAIN], equal_var=False).pvalue:.3f}"
    return [name, f"{mean(values):.3f}", f"{stdev(values):.3f}", p]


def main() -> None:
    """Print the table."""
    made = parser(__doc__, 5, "--seeds")
    made.add_argument("--epochs", type=int, default=1, metavar="N", help="1 unless given")
    given = made.parse_args()
    print(machine(given.device), flush=True)
    ways = [Contender(name, ["-m", module, str(given.epochs), *words]) for name, (module, *words) in WAYS.items()]
    taken = take_turns(ways, given.rounds, given.device)
    found = {name: [100 * turn["accuracy"] for turn in turns] for name, turns in taken.items()}
    table = new_table("", "accuracy, %", "standard deviation", "p against plain")
    for name in found:
        table.add_row(*row(name, found))
    print_table(f"MNIST's test split, epochs: {given.epochs}, seeds: {given.rounds}", table)


if __name__ == "__main__":
    main()
