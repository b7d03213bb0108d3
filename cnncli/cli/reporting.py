"""``report``: a page about runs, in one file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli.comparing import Judged, kept_split
from cnncli.cli.console import print_json, say, tell, warn
from cnncli.cli.options import Json, Plugin, RunsDir
from cnncli.cli.outputs import Output
from cnncli.core.printable import shell_word

if TYPE_CHECKING:
    from cnncli.runs.results import RunResult

Runs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUN [RUN]...",
        help="RUN\tA run's name or folder, or latest. Several runs, or a pattern ('runs/digits/*'), are compared.",
        show_default=False,
    ),
]
Page = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE.html",
        help="Where to write the page. [default: report.html in the run; of several runs, in this folder]",
        show_default=False,
    ),
]
NoPictures = Annotated[
    bool,
    typer.Option(
        "--no-pictures", help="Show nothing of the data: no pictures, no texts, no names of files. The figures stay."
    ),
]
Brief = Annotated[
    bool,
    typer.Option(
        "--brief",
        help="Leave out what takes a pass over the data: the training pictures most like each mistake, and what each "
        "column is worth.",
    ),
]
By = Annotated[
    list[str] | None,
    typer.Option("--by", metavar="COLUMN|folder", help="Judge each slice on its own; several are several options."),
]


def report(
    runs: Runs = None,
    out: Page = None,
    no_pictures: NoPictures = False,
    brief: Brief = False,
    by: By = None,
    split: Judged = "val",
    plugin: Plugin = None,
    runs_dir: RunsDir = Path("runs"),
    json_: Json = False,
) -> None:
    """Write a page about a run, or about several: results, curves, mistakes, and how far to trust them.

    The page is one file that loads nothing from elsewhere: it can be sent by mail, and opened without a network.
    """
    from cnncli.training.start import PREDICTOR, import_torch

    wanted = kept_split(split)
    import_torch(PREDICTOR)
    from cnncli.report import write
    from cnncli.report.samples import Wish
    from cnncli.training.display import Display

    asked = write.asked_for(runs or [], runs_dir)
    output = Output("--out", out or asked.place)
    if asked.run is None:
        page = write.comparison_report(asked.words, runs_dir, wanted)
    else:
        wish = Wish(not no_pictures, not brief, tuple(by or ()), tuple(plugin or ()))
        page = write.run_report(asked.run, wish, Display(quiet=json_))
    output.write(lambda file: file.write(page))
    _tell(output.path, len(page), json_)


def _tell(path: Path, size: int, as_json: bool) -> None:
    if as_json:
        print_json({"report": str(path), "bytes": size})
    else:
        say(f"report    {path}   ({size / 2**20:.1f} MiB; open it in a browser)")


def write_report(result: "RunResult", wanted: bool, quiet: bool) -> None:
    """The page at the end of a training, where it is ``wanted``; one that cannot be written is a warning."""
    from cnncli.compute.place import place

    if not wanted or place().rank:
        return
    from cnncli.report.samples import Wish
    from cnncli.report.write import write_run_report
    from cnncli.training.display import Display

    try:
        written = write_run_report(Path(result.run_dir), Wish(), Display(quiet=True))
    except Exception as error:  # whatever fails here, the result is there
        cause = str(error).strip().split("\n", 1)[0] or type(error).__name__
        warn(f"warning: no report was written ({cause}); try: cnncli report {shell_word(result.run_dir)}")
        return
    if not quiet:
        tell(f"report    {written}")
