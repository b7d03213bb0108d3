"""What each command takes, and the one function it calls."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from cnncli.core.errors import ConfigError, DataError

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
    bool, typer.Option("--dry-run", help="Build everything, push one batch through, print the plan, write nothing.")
]
Tta = Annotated[bool, typer.Option("--tta", help="Average over six views of every picture (mirrored, shifted).")]
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
    name: Name = None,
    runs_dir: RunsDir = Path("runs"),
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            metavar="[RUN|CKPT]",
            help="Go on with a run: a folder, a checkpoint, or the latest if left out.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
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


def finetune(
    pretrained: Annotated[
        str, typer.Option("--from", help="A network of torchvision's, timm/NAME, or a checkpoint (runs/…/best.pt).")
    ],
    words: Words = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="A folder of pictures: train/<class>/…, or <class>/… alone.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="A file with the weights, instead of a download.")
    ] = None,
    strategy: Annotated[str | None, typer.Option("--strategy", help="head, last, full or gradual.")] = None,
    name: Name = None,
    runs_dir: RunsDir = Path("runs"),
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    json_: Json = False,
) -> None:
    """Train on from a pretrained network, with a new head for your classes; without a config by the packaged recipe."""
    from cnncli.cli import tables
    from cnncli.training import experiment
    from cnncli.training.catalog import load_finetune
    from cnncli.training.display import Display

    path, overrides = _split_words(words)
    run_name, run_id = experiment.parse_name(name)
    named = [*overrides, f"name={json.dumps(run_name)}"] if run_name else overrides
    chosen = {"weights": str(weights) if weights else None, "strategy": strategy}
    loaded = load_finetune(pretrained, path, data, {k: v for k, v in chosen.items() if v is not None}, named)
    place, display = experiment.new_place(runs_dir, run_id, overwrite), Display(quiet=json_)
    if dry_run:
        tables.print_plan(experiment.dry_run(loaded, place, display), json_)
    else:
        tables.print_result(experiment.train(loaded, place, display), json_)


def evaluate(
    ckpt: Checkpoint,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="dataset.…, task.threshold, device or precision set anew."),
    ] = None,
    split: Annotated[str, typer.Option("--split", help="test, val or train.")] = "test",
    tta: Tta = False,
    plugin: Plugin = None,
    json_: Json = False,
) -> None:
    """Evaluate a checkpoint: it brings config, classes and preprocessing; only the data must be there."""
    from cnncli.cli import tables
    from cnncli.inference.evaluate import evaluate_checkpoint, load_trained, parse_split
    from cnncli.training.display import Display

    wanted = parse_split(split)
    trained = load_trained(ckpt, words or [], plugin or [])
    tables.print_report(evaluate_checkpoint(trained, wanted, Display(quiet=json_), tta), json_)


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


def generate(
    ckpt: Checkpoint,
    prompt: Annotated[str, typer.Option("--prompt", help="The text to continue.")] = "",
    length: Annotated[int, typer.Option("--length", help="How many characters to add.")] = 500,
    temperature: Annotated[
        float, typer.Option("--temperature", help="Below 1 likelier, above 1 more varied; 0: the likeliest each time.")
    ] = 0.8,
    top_k: Annotated[int, typer.Option("--top-k", help="Draw from this many likeliest characters.")] = 40,
    top_p: Annotated[
        float | None, typer.Option("--top-p", help="Draw from the fewest that have this probability together.")
    ] = None,
    beam: Annotated[
        int | None, typer.Option("--beam", help="Draw nothing: search the likeliest text with so many beams.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed draws the same text.")] = 0,
    stream: Annotated[bool, typer.Option("--stream", help="Show each character at once.")] = False,
    plugin: Plugin = None,
    json_: Json = False,
) -> None:
    """Continue a text with a network that learned from text."""
    from cnncli.cli import tables
    from cnncli.inference import generate as generation
    from cnncli.inference.evaluate import load_trained

    trained = load_trained(ckpt, [], plugin or [])
    _, unknown = generation.encode(prompt, generation.text_of(trained))
    pieces: Iterable[str]
    found: dict[str, float] = {}
    if beam is None:
        pieces = generation.generate(trained, prompt, length, temperature, top_k, top_p, None, seed)
    else:
        pieces, found["log_probability"] = generation.most_probable(trained, prompt, length, beam)
    if unknown:
        typer.echo(f"note: the network does not know {', '.join(map(repr, unknown))}", err=True)
    if json_:
        tables.print_json({"prompt": prompt, "text": "".join(pieces), "length": length, **found})
        return
    print(prompt, end="", flush=stream)
    for piece in pieces if stream else ["".join(pieces)]:
        print(piece, end="", flush=stream)
    print()


def predict(
    ckpt: Checkpoint,
    what: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Pictures, folders, globs; or one table. - is standard input."),
    ],
    top_k: Annotated[int, typer.Option("--top-k", min=1, help="Pictures: show so many classes.")] = 1,
    max_error: Annotated[
        float | None,
        typer.Option("--max-error", help="Pictures: answer 'unknown' where validation was wrong more often than this."),
    ] = None,
    tta: Tta = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write to this file instead of standard output.")] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="table, csv or json; a table for pictures, csv for rows.")
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", min=0, help="Processes that decode pictures.")] = None,
    plugin: Plugin = None,
) -> None:
    """Name the class of pictures, or add predictions to the rows of a table; bad files do not stop the good ones."""
    from cnncli.inference.evaluate import load_trained
    from cnncli.inference.gather import gather
    from cnncli.inference.predict import check_format, format_rows, predict_rows
    from cnncli.inference.predict_pictures import format_answers, predict_pictures
    from cnncli.training.display import Display
    from cnncli.training.runtime import make_runtime

    check_format(form or "csv")
    trained = load_trained(ckpt, [], plugin or [])
    config, errors = trained.config, dict[str, str]()
    runtime = make_runtime(config.device, config.precision, config.seed)
    if trained.spec.kind == "pictures":
        track = Display(quiet=not sys.stderr.isatty()).track
        answers = predict_pictures(
            trained, gather(what), runtime, track, top_k=top_k, max_error=max_error, tta=tta, workers=workers
        )
        text, errors = format_answers(answers, form or "table"), answers.errors
    elif len(what) > 1:
        raise ConfigError(f"'{what[1]}' is a second table; give one")
    else:
        text = format_rows(predict_rows(trained, what[0], runtime), form or "csv")
    if out is None:
        print(text, end="")
    else:
        out.write_text(text, encoding="utf-8")
    for path, cause in errors.items():
        typer.echo(f"error: {path}: {cause}", err=True)
    if errors:
        raise typer.Exit(DataError.exit_code)


def forecast(
    ckpt: Checkpoint,
    steps: Annotated[int, typer.Option("--steps", help="How many steps beyond the end of the data.")] = 12,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Another series with the same columns, instead of the trained one.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the forecast to this CSV file.")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Write a picture: history, forecast, interval.")] = None,
    plugin: Plugin = None,
    json_: Json = False,
) -> None:
    """Forecast beyond the end of a series, in its own unit, with an interval."""
    from cnncli.cli import tables
    from cnncli.inference import forecast as forecasting
    from cnncli.inference.evaluate import load_trained

    trained = load_trained(ckpt, [], plugin or [])
    found = forecasting.forecast(trained, steps, csv)
    rows = forecasting.forecast_rows(found, forecasting.future_times(trained, steps, csv))
    if plot is not None:
        forecasting.draw(found, plot)
    tables.print_rows(rows, out, json_, {"targets": found.targets, "level": found.level})
