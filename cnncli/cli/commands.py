"""What each command takes, and the one function it calls."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cnncli.core.errors import ConfigError

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
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Where runs are written.")]
Checkpoint = Annotated[Path, typer.Option("--ckpt", help="A checkpoint, or a run folder for its best.pt.")]


def is_override(word: str) -> bool:
    """Whether a word of the command line is ``key=value`` rather than a path that has a '=' in it."""
    return "=" in word and not Path(word).exists()


def _split_words(words: list[str] | None) -> tuple[Path | None, list[str]]:
    """The config's path, if there is one, and the overrides."""
    overrides = [word for word in words or [] if is_override(word)]
    others = [word for word in words or [] if not is_override(word)]
    if len(others) > 1:
        raise ConfigError(f"'{others[1]}' is a second config; overrides are written key=value")
    return (Path(others[0]) if others else None), overrides


def _needed(path: Path | None) -> Path:
    if path is None:
        raise ConfigError("no config given; name a YAML file, for example configs/digits.yaml")
    return path


def train(
    words: Words = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Write to runs/NAME/…; NAME/ID fixes the folder too.")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            metavar="[RUN|CKPT]",
            help="Go on with a run: a folder, a checkpoint, or the latest if left out.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run that --name NAME/ID names.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Build everything, push one batch through, print the plan, write nothing.")
    ] = False,
    json_: Json = False,
) -> None:
    """Train what a YAML file describes; best.pt, last.pt, metrics and TensorBoard events go to runs/NAME/ID."""
    from cnncli.cli import tables
    from cnncli.training import experiment
    from cnncli.training.display import Display

    path, overrides = _split_words(words)
    display = Display(quiet=json_)
    loaded, place, found = experiment.prepare(path, overrides, name, runs_dir, resume, overwrite)
    for notice in loaded.notices:
        typer.echo(f"note: {notice}", err=True)
    if dry_run:
        tables.print_plan(experiment.dry_run(loaded, place, display), json_)
    elif found is None:
        tables.print_result(experiment.train(loaded, place, display), json_)
    else:
        tables.print_result(experiment.resume(*found, loaded, display), json_)


def evaluate(
    ckpt: Checkpoint,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="dataset.…, device or precision set anew.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="test, val or train.")] = "test",
    plugin: Plugin = None,
    json_: Json = False,
) -> None:
    """Evaluate a checkpoint: it brings config, classes and preprocessing; only the data must be there."""
    from cnncli.cli import tables
    from cnncli.inference.evaluate import evaluate_checkpoint, load_trained, parse_split
    from cnncli.training.display import Display

    wanted = parse_split(split)
    trained = load_trained(ckpt, words or [], plugin or [])
    tables.print_report(evaluate_checkpoint(trained, wanted, Display(quiet=json_)), json_)


def inspect(
    words: Words = None,
    ckpt: Annotated[Path | None, typer.Option("--ckpt", help="Inspect a checkpoint instead of a config.")] = None,
    shape: Annotated[
        str | None, typer.Option("--input", metavar="C,H,W", help="The input's shape, when the data are not at hand.")
    ] = None,
    classes: Annotated[int, typer.Option("--classes", help="The number of classes that goes with --input.")] = 10,
    plugin: Plugin = None,
    json_: Json = False,
) -> None:
    """Show a network's layers: shapes, parameters, and how the parameters are counted."""
    from cnncli.cli import tables
    from cnncli.inference.inspect import inspect_checkpoint, inspect_config

    path, overrides = _split_words(words)
    rows = (
        inspect_config(_needed(path), overrides, shape, classes)
        if ckpt is None
        else inspect_checkpoint(ckpt, overrides, plugin or [])
    )
    tables.print_layers(rows, json_)


def list_components(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="models, datasets, optimizers, schedulers, losses, transforms, activations, layers or tasks."
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """List what a config can name, with one line and the arguments of each."""
    from cnncli.cli import tables
    from cnncli.training.catalog import describe_components

    tables.print_components(describe_components(kind), json_)


def config(
    words: Words = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of configs, for editors.")] = False,
) -> None:
    """Check a config and print it with every default filled in."""
    from cnncli.training.catalog import config_schema, load_config
    from cnncli.training.run_folder import config_yaml

    if schema:
        print(json.dumps(config_schema(), indent=1))
        return
    path, overrides = _split_words(words)
    loaded = load_config(_needed(path), overrides)
    for notice in loaded.notices:
        typer.echo(f"note: {notice}", err=True)
    print(config_yaml(loaded.config), end="")
