"""``compare``: runs side by side, and whether they really differ."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli.console import print_json, print_table, print_text, say, tell, terminal
from cnncli.cli.options import Json, RunsDir
from cnncli.cli.outputs import Output
from cnncli.core.errors import ConfigError

if TYPE_CHECKING:
    from cnncli.core.spec import Split
    from cnncli.insight.comparison import Comparison

Runs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUN RUN...",
        help="RUN\tA run's name, folder or pattern ('runs/digits/*'), or latest. Each gives one row; runs that differ "
        "only in the seed are put together. The other rows are compared with the first.",
        show_default=False,
    ),
]
Judged = Annotated[str, typer.Option("--split", metavar="val|test", help="The split whose saved outputs are compared.")]
Difference = Annotated[
    float | None,
    typer.Option(
        "--difference",
        metavar="SIZE",
        help="Say how many samples or seeds are needed to find a difference of this size. [default: 0.01; for a metric "
        "that is not a fraction, 1 % of the first run's value]",
    ),
]
Metric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="The metric that decides, for example nll or macro_f1. [default: the main metric of the task]",
    ),
]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print the table in Markdown.")]
Latex = Annotated[bool, typer.Option("--latex", help="Print the table for LaTeX, with booktabs.")]
Picture = Annotated[
    Path | None,
    typer.Option("--picture", metavar="FILE.png", help="Write a picture: points with intervals (.png, .svg, .pdf)."),
]


def compare(
    runs: Runs = None,
    split: Judged = "val",
    metric: Metric = None,
    difference: Difference = None,
    markdown: Markdown = False,
    latex: Latex = False,
    picture: Picture = None,
    runs_dir: RunsDir = Path("runs"),
    json_: Json = False,
) -> None:
    """Show the metrics of runs side by side, and test whether the runs really differ."""
    if markdown + latex + json_ > 1:
        raise ConfigError("--json, --markdown and --latex exclude each other; choose one")
    wanted = kept_split(split)
    from cnncli.insight import papers
    from cnncli.insight.compare import compare as compared
    from cnncli.insight.picture import drawn, form_of

    form = "" if picture is None else form_of(picture)
    output = None if picture is None else Output("--picture", picture, text=False)
    found = compared(runs or [], runs_dir, wanted, difference, metric)
    if output is not None:
        content = drawn(found, form)
        output.write(lambda file: file.write(content))
    if json_:
        print_json(found.to_json())
    elif markdown or latex:
        print_text(papers.markdown(found) if markdown else papers.latex(found))
    else:
        _print(found)


def kept_split(text: str) -> "Split":
    """The split that ``--split`` names; raises ``ConfigError`` for training, of which no outputs are kept."""
    from cnncli.core.splits import parse_split

    if (wanted := parse_split(text)) == "train":
        raise ConfigError("--split train: no outputs are saved of training; choose val or test")
    return wanted


def _print(found: "Comparison") -> None:
    """Tables for people: results, settings, differences, and the answers."""
    from cnncli.core.metrics import format_metric
    from cnncli.insight.figures import shown, verdicts

    rows = [
        [
            row.argument,
            str(len(row.runs)),
            *(shown(m, row.metrics[m]) if m in row.metrics else "" for m in found.metrics),
        ]
        for row in found.rows
    ]
    for name, value in found.rows[0].baselines:
        told = name if name == "baseline" else f"baseline: {name}"
        rows.append([told, "", format_metric(found.headline, value), *[""] * (len(found.metrics) - 1)])
    title = f"On the {'validation' if found.split == 'val' else found.split} split"
    title += f", {found.samples:,} samples" if found.samples else ""
    title += " (compare on validation while you choose; each look at the test split makes it less unseen)" * (
        found.split == "test"
    )
    print_table(title, ["run", "runs", *(name.replace("_", " ") for name in found.metrics)], rows)
    if found.scores:
        further = [[row.argument, *(shown(name, row.metrics[name]) for name in found.scores)] for row in found.rows]
        print_table("Further scores", ["run", *(name.replace("_", " ") for name in found.scores)], further)
    if found.differs:
        settings = [[key, *values] for key, values in found.differs.items()]
        columns = ["key", *(row.argument for row in found.rows)]
        print_table("What differs in the configs", columns, settings, left=len(columns))
    _print_tests(found)
    if terminal().is_terminal:
        say("")
    for sentence in (*verdicts(found), *found.notes):
        tell(sentence)


def _print_tests(found: "Comparison") -> None:
    from cnncli.insight.figures import difference, interval, p_value

    rows = [
        [each.argument, name.replace("_", " "), difference(name, test.difference), interval(name, test.low, test.high),
         p_value(test.p_holm), test.answer or "no test"]
        for each in found.compared
        for name in found.metrics
        if (test := each.tests.get(name)) is not None
    ]  # fmt: skip
    if rows:
        columns = ["run", "metric", "difference", "95 % interval", "p", "answer"]
        print_table(f"Against {found.rows[0].argument}", columns, rows, left=(0, 1, 5))
