"""What several commands share: their options, and how the words of a command line are told apart."""

import re
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from cnncli.cli.console import warn
from cnncli.core.errors import ConfigError, one_line
from cnncli.core.files import user_path

LAUNCHING = ("--nproc", "--max-restarts")

_SETTING = re.compile(r"(device|precision|(dataset|compute|task)\.\w+)=")  # other words with a '=' are paths
Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CONFIG [KEY=VALUE]...",
        help="A YAML file, then any key of it set anew by its dotted path: optimizer.lr=0.01 model.name=mlp",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Plugin = Annotated[
    list[Path] | None, typer.Option("--plugin", help="A plug-in file the checkpoint needs; may be repeated.")
]
Name = Annotated[str | None, typer.Option("--name", help="Write to runs/NAME/…; NAME/ID fixes the folder too.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run that --name NAME/ID names.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Build everything, push one batch through, print the plan, write no run.")
]
Tta = Annotated[bool, typer.Option("--tta", help="Average over six views of every picture (mirrored, shifted).")]
Resume = Annotated[
    str | None,
    typer.Option(
        "--resume",
        metavar="[RUN|CKPT]",
        help="Go on with a run: a folder, a checkpoint, or the latest if left out.",
    ),
]
Profile = Annotated[
    bool, typer.Option("--profile", help="Take some steps, show where their time goes, write a trace, and stop.")
]
From = Annotated[
    str, typer.Option("--from", help="A network of torchvision's, timm/NAME, or a checkpoint (runs/…/best.pt).")
]
Data = Annotated[Path | None, typer.Option("--data", help="A folder of pictures: train/<class>/…, or <class>/… alone.")]
Weights = Annotated[Path | None, typer.Option("--weights", help="A file with the weights, instead of a download.")]
StrategyName = Annotated[str | None, typer.Option("--strategy", help="head, last, full or gradual.")]
What = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH... [KEY=VALUE]...",
        help="Pictures, folders, globs; or one table. - is standard input. device=cpu and the like are set anew.",
    ),
]
SetAnew = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="dataset.…, task.threshold, device or precision set anew."),
]
TopK = Annotated[int, typer.Option("--top-k", min=1, help="Pictures: show so many classes.")]
MaxError = Annotated[
    float | None,
    typer.Option("--max-error", help="Pictures: answer 'unknown' where validation was wrong more often than this."),
]
Out = Annotated[Path | None, typer.Option("--out", help="Write to this file instead of standard output.")]
Form = Annotated[str | None, typer.Option("--format", help="table, csv or json; a table for pictures, csv for rows.")]
Workers = Annotated[int | None, typer.Option("--workers", min=0, help="Processes that decode pictures.")]
Prompt = Annotated[str, typer.Option("--prompt", help="The text to continue.")]
Length = Annotated[int, typer.Option("--length", help="How many characters to add.")]
Temperature = Annotated[
    float, typer.Option("--temperature", help="Below 1 likelier, above 1 more varied; 0: the likeliest each time.")
]
LikeliestK = Annotated[int, typer.Option("--top-k", help="Draw from this many likeliest characters.")]
LikeliestP = Annotated[
    float | None, typer.Option("--top-p", help="Draw from the fewest that have this probability together.")
]
Beam = Annotated[int | None, typer.Option("--beam", help="Draw nothing: search the likeliest text with so many beams.")]
Seed = Annotated[int, typer.Option("--seed", help="The same seed draws the same text.")]
Stream = Annotated[bool, typer.Option("--stream", help="Show each character at once.")]
Nproc = Annotated[int, typer.Option("--nproc", min=1, help="Share the work among so many processes (ranks).")]
MaxRestarts = Annotated[
    int, typer.Option("--max-restarts", min=0, help="With --nproc: go on so many times after a rank has died.")
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Where runs are written.")]
Checkpoint = Annotated[Path, typer.Option("--ckpt", help="A checkpoint, or a run folder for its best.pt.")]


def expand_paths(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with ``~`` expanded in all paths that it is given."""

    def expanded(value: Any) -> Any:
        if isinstance(value, list):
            return [expanded(item) for item in value]
        return user_path(value) if isinstance(value, Path) else value

    @wraps(command)
    def call(**values: Any) -> Any:
        return command(**{name: expanded(value) for name, value in values.items()})

    return call


def in_ranks(ctx: typer.Context, processes: int, restarts: int = 0, alone: bool = False) -> None:
    """Run the command in so many processes instead of this one, and end with their exit code; 1 goes on here."""
    if processes == 1:
        if restarts:
            raise ConfigError("--max-restarts is for several processes; add --nproc 2 or more")
        return
    if alone:
        raise ConfigError("--dry-run and --profile look at one process; leave out --nproc")
    from cnncli.compute.ranks import need_distributed

    need_distributed()
    from cnncli.compute.launch import launch

    raise typer.Exit(launch(processes, restarts, without_launch(ctx.obj)))


def without_launch(args: Sequence[str]) -> list[str]:
    """A command line without ``--nproc`` and ``--max-restarts``."""
    words, left = iter(args), []
    for word in words:
        if word in LAUNCHING:
            next(words)
        elif not word.startswith(tuple(f"{option}=" for option in LAUNCHING)):
            left.append(word)
    return left


def is_override(word: str) -> bool:
    """Whether a word of the command line is ``key=value`` rather than a path that has a '=' in it."""
    try:
        return "=" in word and not user_path(word).exists()
    except (OSError, ConfigError):  # a network written as an override is too long for a path
        return True


def split_words(words: list[str] | None) -> tuple[Path | None, list[str]]:
    """The config's path, if there is one, and the overrides."""
    overrides = [word for word in words or [] if is_override(word)]
    others = [word for word in words or [] if not is_override(word)]
    if len(others) > 1:
        raise ConfigError(f"'{others[1]}' is a second config; overrides are written key=value")
    return (user_path(others[0]) if others else None), overrides


def split_settings(words: list[str]) -> tuple[list[str], list[str]]:
    """The paths among the words after a checkpoint, and what is set anew; raises ``ConfigError`` without a path."""
    overrides = [word for word in words if is_override(word) and _SETTING.match(word)]
    paths = [word for word in words if word not in overrides]
    if not paths:
        raise ConfigError("no path given; name pictures, folders, or a table")
    return paths, overrides


def needed(path: Path | None) -> Path:
    """``path``, or a ``ConfigError`` where none was given."""
    if path is None:
        raise ConfigError("no config given; name a YAML file, for example configs/digits.yaml")
    return path


def print_notices(notices: list[str]) -> None:
    """What loading left out or doubts, a line each on standard error."""
    for notice in notices:
        warn(f"note: {one_line(notice)}")
