"""The commands for pictures that are not yet a data set: ``cnncli data …`` and ``cnncli init``."""

from pathlib import Path
from typing import Annotated

import typer

from cnncli.cli.console import print_config, say, warn
from cnncli.cli.help import show_overview
from cnncli.cli.options import Json
from cnncli.cli.outputs import Output
from cnncli.core.errors import ConfigError, DataError
from cnncli.core.files import user_path
from cnncli.runs.references import CONFIGS

data = typer.Typer(
    name="data",
    help="Split, check and look at data before training.",
    invoke_without_command=True,
    rich_markup_mode=None,
)

What = Annotated[str, typer.Argument(metavar="CONFIG|FOLDER", help="A YAML config, or a folder of pictures.")]
Checkable = Annotated[
    str, typer.Argument(metavar="CONFIG|FOLDER|FILE", help="A YAML config, a folder of pictures, a table, or a text.")
]

Pattern = Annotated[
    str | None,
    typer.Option("--pattern", metavar="REGEX", help="The class is the first capture group of this regular expression."),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels", metavar="FILE.csv", help="Take the classes from a CSV file with the columns path and label."
    ),
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        "--group-by",
        metavar="REGEX",
        help="Pictures whose paths match the same text in the first capture group stay together.",
    ),
]


@data.callback()
def _alone(ctx: typer.Context) -> None:
    show_overview(ctx)


def split(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A flat folder (cat.0.jpg), or one of class folders.")],
    destination: Annotated[Path, typer.Argument(metavar="DEST", help="A new folder for train/, val/ and test/.")],
    val: Annotated[
        float, typer.Option("--val", metavar="FRACTION", help="The fraction of every class for validation.")
    ] = 0.1,
    test: Annotated[
        float, typer.Option("--test", metavar="FRACTION", help="The fraction of every class for the test split.")
    ] = 0.1,
    copy: Annotated[bool, typer.Option("--copy", help="Copy the files (the default).")] = False,
    link: Annotated[bool, typer.Option("--link", help="Make symbolic links.")] = False,
    move: Annotated[bool, typer.Option("--move", help="Move the files.")] = False,
    pattern: Pattern = None,
    labels: Labels = None,
    group_by: GroupBy = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The same seed gives the same split.")] = 0,
    json_: Json = False,
) -> None:
    """Sort pictures into class folders in train/, val/ and test/, with the same fraction of each class in every split.

    Near-duplicates go to the same split. 'cnncli data undo' reverses the split.
    """
    from cnncli.cli import tables
    from cnncli.curate import split as splitting
    from cnncli.curate.labels import label_pictures
    from cnncli.data.folders import find_pictures
    from cnncli.training.display import Display

    if pattern is not None and labels is not None:
        raise ConfigError("--pattern and --labels exclude each other; choose one")
    if copy + link + move > 1:
        raise ConfigError("--copy, --link and --move exclude each other; choose one")
    splitting.check_request(source, destination, val, test)
    items = label_pictures(source, pattern, labels)
    groups = splitting.group(items, source, group_by, Display(quiet=json_).track)
    if unlisted := len(set(find_pictures(source)) - {item.path for item in items}):
        warn(f"note: {unlisted:,} pictures of {source} are not in {labels}; they stay where they are")
    placed = splitting.place(items, splitting.assign(items, groups, val, test, seed), groups, source)
    splitting.write(placed, destination, "link" if link else "move" if move else "copy")
    tables.print_split(splitting.summary(placed, destination), json_)


def undo(
    destination: Annotated[Path, typer.Argument(metavar="DEST", help="A folder made by data split.")],
) -> None:
    """Undo a split: put back what was moved, remove what was copied or linked."""
    from cnncli.curate.split import undo as undo_split

    print(f"{undo_split(destination):,} files put back or removed")


def check(what: Checkable, json_: Json = False) -> None:
    """Check data for faults, such as broken files or leaks between splits; exit code 3 if something must be fixed."""
    from cnncli.training.start import begin, import_torch

    path = user_path(what)
    if path.suffix in CONFIGS or not (path.suffix or path.is_dir()):
        begin(path)
    import_torch()
    from cnncli.cli import tables
    from cnncli.curate import check as checking
    from cnncli.training.configs import load_config
    from cnncli.training.display import Display

    track = Display(quiet=json_).track
    if checking.is_checked_alone(path):
        checked = checking.check_path(path, track)
    else:
        checked = checking.check_config(load_config(path).config, track)
    tables.print_check(checked.as_json(), json_)
    if checked.faults:
        raise typer.Exit(DataError.exit_code)


def show(
    what: What,
    augmented: Annotated[
        bool, typer.Option("--augmented", help="Show the samples as in training, with augmentation.")
    ] = False,
    split: Annotated[str, typer.Option("--split", metavar="train|val|test", help="The split to show.")] = "train",
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, max=400, help="How many pictures.")] = 16,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.png", help="The PNG file to write.")] = Path(
        "samples.png"
    ),
) -> None:
    """Draw samples with their labels, as the network sees them, but without the normalisation."""
    from cnncli.core.splits import parse_split
    from cnncli.training.start import begin, import_torch

    wanted = parse_split(split)
    if not user_path(what).is_dir():
        begin(user_path(what))
    import_torch()
    from cnncli.training.show import show_samples

    output = Output("--out", out, [user_path(what)], text=False)
    say(show_samples(what, wanted, count, augmented, output))


def list_cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything.")] = False, json_: Json = False
) -> None:
    """List the decoded pictures that are kept on disk for the next run, or remove them."""
    from cnncli.cli import tables
    from cnncli.data import cache

    freed = cache.clear() if clear else None
    tables.print_cache(cache.entries(), cache.folder(), freed, json_)


def init(
    what: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER|NAME",
            help="FOLDER\tA folder of pictures, with one subfolder per class.\n"
            "NAME\tA config that comes with cnncli (cnncli list configs).",
        ),
    ],
) -> None:
    """Print a config for a folder of pictures, or a copy of a config that comes with cnncli."""
    from cnncli.curate.propose import first_config

    print_config(first_config(what))
