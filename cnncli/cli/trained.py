"""The commands that begin with a checkpoint: what each takes, and the one function it calls."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from cnncli.cli.options import Checkpoint, Json, Plugin, Tta, keep_apart
from cnncli.core.errors import ConfigError, DataError

FEW = 200  # validation pictures below which an error of a few per cent cannot be told from none


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
    from cnncli.compute.runtime import make_runtime
    from cnncli.inference.evaluate import load_trained
    from cnncli.inference.gather import gather
    from cnncli.inference.predict import check_format, format_rows, predict_rows
    from cnncli.inference.predict_pictures import format_answers, predict_pictures
    from cnncli.training.display import Display

    check_format(form or "csv")
    if out is not None:
        keep_apart(out, [ckpt, ckpt / "best.pt", *map(Path, what)])
    trained = load_trained(ckpt, [], plugin or [])
    config, errors = trained.config, dict[str, str]()
    runtime = make_runtime(config.device, config.precision, config.seed, config.compute)
    if trained.spec.kind == "pictures":
        track = Display(quiet=not sys.stderr.isatty()).track
        answers = predict_pictures(
            trained, gather(what), runtime, track, top_k=top_k, max_error=max_error, tta=tta, workers=workers
        )
        text, errors = format_answers(answers, form or "table"), answers.errors
        if answers.threshold is not None:
            share = f"{100 * (answers.answered or 0):.0f} % of the validation pictures"
            seen = trained.decoding["samples"]
            typer.echo(
                f"note: answered from a confidence of {answers.threshold:.4f} on, as {share} are; "
                f"this rests on {seen:,} of them" + (", which is few" if seen < FEW else ""),
                err=True,
            )
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
