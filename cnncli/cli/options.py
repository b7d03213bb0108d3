"""What several commands share: their options, and what is done with them before a command begins."""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from cnncli.core.errors import ConfigError
from cnncli.core.files import user_path

LAUNCHING = ("--nproc", "--max-restarts")

KEYS = "KEY=VALUE\tOverride a key of the config: optimizer.lr=0.01, model.name=mlp."
RUN = "A checkpoint, a run's folder or name, or latest: the newest run."
SET_ANEW = "KEY=VALUE\tOverride dataset.…, task.threshold, device or precision."

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
        f"you can leave it out: the config of the run is used.\n{KEYS}",
        show_default=False,
    ),
]
FinetuneWords = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[CONFIG] [KEY=VALUE]...",
        help=f"CONFIG\tA YAML file. Without one: the packaged recipe, for the pictures in --data.\n{KEYS}",
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
    typer.Option("--plugin", metavar="FILE.py", help="A plug-in file that the checkpoint needs; may be repeated."),
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="[GROUP/]NAME[/ID]",
        help="Write to runs/NAME/<time>; with NAME/ID, to runs/NAME/ID.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run that --name NAME/ID names.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Build everything, process one batch, print the plan, write no run.")
]
Tta = Annotated[bool, typer.Option("--tta", help="Average over six views of every picture (mirrored, shifted).")]
Resume = Annotated[
    str | None,
    typer.Option(
        "--resume",
        metavar="[RUN|CKPT]",
        help="Continue a run: its folder or name, or a checkpoint. Without a value: the newest run with the config's "
        "name or, without a config, the newest run of all.",
    ),
]
Seeds = Annotated[
    str | None,
    typer.Option(
        "--seeds",
        metavar="N|SEED,SEED,…",
        help="Train N runs, with the config's seed and the seeds after it; or one run for each listed seed. Repeat the "
        "command to train the seeds that are missing.",
    ),
]
Profile = Annotated[
    bool, typer.Option("--profile", help="Run a few steps, show where their time goes, write a trace, and stop.")
]
From = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="NAME|CKPT|RUN",
        help="A torchvision network, timm/NAME, or a checkpoint or run of your own.",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="FOLDER", help="A folder of pictures: train/<class>/…, or <class>/… alone."),
]
NewData = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="PLACE",
        help="Evaluate all labelled samples in this folder or file, except those that the network was trained on.",
    ),
]
Weights = Annotated[
    Path | None, typer.Option("--weights", metavar="FILE", help="A file with the weights, instead of a download.")
]
StrategyName = Annotated[
    str | None,
    typer.Option(
        "--strategy",
        metavar="head|last|full|gradual",
        help="What is trained: only the head (head), the head and the last blocks (last), everything (full), or first "
        "the head and then everything (gradual). [default: the config's, else full; without a config gradual]",
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
TopK = Annotated[int, typer.Option("--top-k", metavar="N", min=1, help="Pictures: show the N most probable classes.")]
MaxError = Annotated[
    float | None,
    typer.Option(
        "--max-error",
        metavar="FRACTION",
        help="Pictures: predict 'unknown' below a probability that is chosen so that at most this fraction of the "
        "other predictions on validation is wrong, for example 0.05.",
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
        help="The format of the output. [default: table for pictures, csv for rows]",
    ),
]
JsonLines = Annotated[bool, typer.Option("--json", help="Print one JSON object per line; the same as --format jsonl.")]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME",
        help="The encoding of --out; utf-8-sig for Excel. [default: utf-8]",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=0,
        help="Processes that decode pictures. [default: by the number of files]",
    ),
]
Prompt = Annotated[str, typer.Option("--prompt", metavar="TEXT", help="The text to continue.")]
Length = Annotated[int, typer.Option("--length", metavar="N", help="How many characters to add.")]
Temperature = Annotated[
    float,
    typer.Option(
        "--temperature",
        metavar="T",
        help="Below 1: more probable text; above 1: more varied text; 0: always the most probable character.",
    ),
]
LikeliestK = Annotated[int, typer.Option("--top-k", metavar="N", help="Draw from the N most probable characters.")]
LikeliestP = Annotated[
    float | None,
    typer.Option("--top-p", metavar="P", help="Draw from the fewest characters with a total probability of P."),
]
Beam = Annotated[
    int | None,
    typer.Option("--beam", metavar="N", help="Search for the most probable text with N beams, instead of drawing."),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="The same seed draws the same text.")]
Stream = Annotated[bool, typer.Option("--stream", help="Show each character as soon as it is generated.")]
Nproc = Annotated[int, typer.Option("--nproc", metavar="N", min=1, help="Share the work among N processes (ranks).")]
MaxRestarts = Annotated[
    int,
    typer.Option(
        "--max-restarts", metavar="N", min=0, help="With --nproc: restart up to N times when a rank dies or hangs."
    ),
]
RunsDir = Annotated[
    Path,
    typer.Option("--runs-dir", metavar="FOLDER", help="The folder that contains the runs."),
]
Checkpoint = Annotated[
    str | None, typer.Option("--ckpt", metavar="CKPT|RUN", help="The checkpoint or run as an option.")
]
SplitName = Annotated[
    str | None,
    typer.Option(
        "--split", metavar="test|val|train", help="The split to evaluate. [default: test, or val without a test split]"
    ),
]
By = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="COLUMN|folder",
        help="Also evaluate each slice: the samples with the same value in a column, or in the same folder.",
    ),
]

Steps = Annotated[int, typer.Option("--steps", metavar="N", help="The number of steps to forecast.")]
SeriesFile = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", help="Another series with the same columns, instead of the training data."),
]
TableFile = Annotated[Path | None, typer.Option("--out", metavar="FILE.csv", help="Write the forecast to this file.")]
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
