"""What several commands share: their options, and what is done with them before a command begins."""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from cnncli.core.errors import ConfigError
from cnncli.core.files import user_path

LAUNCHING = ("--nproc", "--max-restarts")

KEYS = "KEY=VALUE\tA key of the config set anew, by its path: optimizer.lr=0.01, model.name=mlp."
RUN = "A checkpoint, a run's folder or name, or latest: the newest run."
SET_ANEW = "KEY=VALUE\tdataset.…, task.threshold, device or precision set anew."

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CONFIG [KEY=VALUE]...",
        help=f"CONFIG\tA YAML file, or the name of a config that comes with cnncli (cnncli list configs).\n{KEYS}",
        show_default=False,
    ),
]
TrainWords = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[CONFIG] [KEY=VALUE]...",
        help="CONFIG\tA YAML file, or the name of a config that comes with cnncli (cnncli list configs). With --resume "
        f"it may be left out: the run has its config.\n{KEYS}",
        show_default=False,
    ),
]
FinetuneWords = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[CONFIG] [KEY=VALUE]...",
        help=f"CONFIG\tA YAML file. Left out: the packaged recipe, for the pictures that --data names.\n{KEYS}",
        show_default=False,
    ),
]
Either = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CONFIG|CKPT|RUN [KEY=VALUE]...",
        help=f"CONFIG\tA YAML file, or the name of a config that comes with cnncli.\nCKPT|RUN\t{RUN}\n{KEYS}",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Plugin = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE.py", help="A plug-in file the checkpoint needs; may be repeated."),
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="[GROUP/]NAME[/ID]",
        help="Write to runs/NAME/…; NAME/ID fixes the folder too.",
    ),
]
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
        help="Go on with a run: its folder or name, or a checkpoint. If left out: the newest run of the config's name, "
        "or, without a config, of all.",
    ),
]
Seeds = Annotated[
    str | None,
    typer.Option(
        "--seeds",
        metavar="N|SEED,SEED,…",
        help="Train N runs, the first with the config's seed, the others with the next ones; or these seeds. The same "
        "command again goes on with those that are missing.",
    ),
]
Profile = Annotated[
    bool, typer.Option("--profile", help="Take some steps, show where their time goes, write a trace, and stop.")
]
From = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="NAME|CKPT|RUN",
        help="A network of torchvision's, timm/NAME, or a checkpoint or run of your own.",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="FOLDER", help="A folder of pictures: train/<class>/…, or <class>/… alone."),
]
Weights = Annotated[
    Path | None, typer.Option("--weights", metavar="FILE", help="A file with the weights, instead of a download.")
]
StrategyName = Annotated[
    str | None,
    typer.Option(
        "--strategy",
        metavar="head|last|full|gradual",
        help="What learns: the new head, it and the last blocks, all, or the head first, then all. "
        "[default: what the config says, else full; without a config gradual]",
    ),
]
What = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CKPT|RUN PATH... [KEY=VALUE]...",
        help=f"CKPT|RUN\t{RUN}\nPATH\tPictures, folders, globs; or one table. - is standard input.\n{SET_ANEW}",
        show_default=False,
    ),
]
Trained = Annotated[
    list[str] | None,
    typer.Argument(metavar="CKPT|RUN [KEY=VALUE]...", help=f"CKPT|RUN\t{RUN}\n{SET_ANEW}", show_default=False),
]
TopK = Annotated[
    int, typer.Option("--top-k", metavar="N", min=1, help="Pictures: show so many classes, the likeliest first.")
]
MaxError = Annotated[
    float | None,
    typer.Option(
        "--max-error",
        metavar="SHARE",
        help="Pictures: answer 'unknown' where validation was wrong more often than this, for example 0.05.",
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write to this file instead of standard output.")
]
Form = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="table|csv|json|jsonl",
        help="How answers are written. [default: table for pictures, csv for rows]",
    ),
]
JsonLines = Annotated[bool, typer.Option("--json", help="A JSON object a line; the same as --format jsonl.")]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME",
        help="Of --out; utf-8-sig for Excel. [default: utf-8]",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=0, help="Processes that decode pictures. [default: as many as pay]"),
]
Prompt = Annotated[str, typer.Option("--prompt", metavar="TEXT", help="The text to continue.")]
Length = Annotated[int, typer.Option("--length", metavar="N", help="How many characters to add.")]
Temperature = Annotated[
    float,
    typer.Option(
        "--temperature", metavar="T", help="Below 1 likelier, above 1 more varied; 0: the likeliest each time."
    ),
]
LikeliestK = Annotated[int, typer.Option("--top-k", metavar="N", help="Draw from this many likeliest characters.")]
LikeliestP = Annotated[
    float | None,
    typer.Option("--top-p", metavar="P", help="Draw from the fewest that have this probability (0 to 1) together."),
]
Beam = Annotated[
    int | None,
    typer.Option("--beam", metavar="N", help="Draw nothing: search the likeliest text with so many beams."),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="The same seed draws the same text.")]
Stream = Annotated[bool, typer.Option("--stream", help="Show each character at once.")]
Nproc = Annotated[
    int, typer.Option("--nproc", metavar="N", min=1, help="Share the work among so many processes (ranks).")
]
MaxRestarts = Annotated[
    int,
    typer.Option("--max-restarts", metavar="N", min=0, help="With --nproc: go on so many times after a rank has died."),
]
RunsDir = Annotated[
    Path,
    typer.Option("--runs-dir", metavar="FOLDER", help="Where runs are written, and looked for by their names."),
]
Checkpoint = Annotated[str | None, typer.Option("--ckpt", metavar="CKPT|RUN", help="The checkpoint or run, by option.")]
SplitName = Annotated[
    str | None,
    typer.Option(
        "--split", metavar="test|val|train", help="Which samples. [default: test, or val where there is no test split]"
    ),
]


Steps = Annotated[int, typer.Option("--steps", metavar="N", help="How many time steps beyond the end of the data.")]
SeriesFile = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", help="Another series with the same columns, instead of the trained one."),
]
TableFile = Annotated[Path | None, typer.Option("--out", metavar="FILE.csv", help="Write it to this CSV file.")]
PlotFile = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE.png", help="Write a picture: history, forecast, interval.")
]


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
