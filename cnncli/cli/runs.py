"""The command that lists runs."""

from pathlib import Path
from typing import Annotated

import typer

from cnncli.cli.options import Json, RunsDir

Where = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]",
        help="NAME\tThe name of runs, a group, or a folder. Without one: all runs.",
        show_default=False,
    ),
]
Sort = Annotated[
    str,
    typer.Option(
        "--sort",
        metavar="KEY",
        help="date (the newest first), metric (the best first), time, name, state, a key of the config, or a metric "
        "such as test/accuracy; -KEY reverses the order.",
    ),
]
Filter = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="KEY=VALUE",
        help="Only runs that fulfil this condition; also with !=, <, >, <= and >=; may be repeated.",
    ),
]
Best = Annotated[bool, typer.Option("--best", help="Only the best run of each name, by the monitored metric.")]
All = Annotated[bool, typer.Option("--all", help="One row for each run, also for the runs of --seeds.")]


def runs(
    name: Where = None,
    sort: Sort = "date",
    where: Filter = None,
    best: Best = False,
    every: All = False,
    runs_dir: RunsDir = Path("runs"),
    json_: Json = False,
) -> None:
    """List runs with their state, the keys in which their configs differ, their results and times."""
    from cnncli.cli.runs_table import print_runs
    from cnncli.runs.shown import shown_runs

    print_runs(shown_runs(name, runs_dir, sort, where or [], best, merge=not every), json_)
