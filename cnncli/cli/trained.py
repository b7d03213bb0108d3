"""The commands that begin with a checkpoint: what each takes, and the one function it calls."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli.options import (
    Beam,
    Checkpoint,
    Form,
    Json,
    Length,
    LikeliestK,
    LikeliestP,
    MaxError,
    Out,
    Plugin,
    Prompt,
    Seed,
    Stream,
    Temperature,
    TopK,
    Tta,
    What,
    Workers,
    keep_apart,
)  # fmt: skip
from cnncli.core.errors import ConfigError, DataError
from cnncli.core.files import user_path

if TYPE_CHECKING:
    from cnncli.inference.predict_pictures import Answers

FEW = 200  # validation pictures below which an error of a few per cent cannot be told from none


def evaluate(
    ckpt: Checkpoint,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="dataset.…, task.threshold, device or precision set anew."),
    ] = None,
    split: Annotated[str, typer.Option("--split", help="test, val or train.")] = "test",
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="PLACE", help="Judge all labelled samples there that were not trained on."),
    ] = None,
    tta: Tta = False,
    plugin: Plugin = None,
    json_: Json = False,
) -> None:
    """Evaluate a checkpoint: it brings config, classes and preprocessing; only the data must be there."""
    from cnncli.cli import tables
    from cnncli.inference import evaluate as evaluation
    from cnncli.inference.predictor import load_predictor
    from cnncli.training.display import Display

    wanted = evaluation.parse_split(split)
    predictor = load_predictor(ckpt, words or [], plugin or [], views=tta)
    tables.print_evaluation(evaluation.evaluate(predictor, wanted, Display(quiet=json_), data), json_)


def predict(
    ckpt: Checkpoint,
    what: What,
    top_k: TopK = 1,
    max_error: MaxError = None,
    tta: Tta = False,
    out: Out = None,
    form: Form = None,
    workers: Workers = None,
    plugin: Plugin = None,
) -> None:
    """Name the class of pictures, or add predictions to the rows of a table; bad files do not stop the good ones."""
    from cnncli.core.spec import PICTURES
    from cnncli.inference import predict as rows
    from cnncli.inference import predict_pictures as pictures
    from cnncli.inference.gather import gather
    from cnncli.inference.predictor import load_predictor
    from cnncli.inference.rows import check_format
    from cnncli.training.display import Display

    check_format(form or "csv")
    if out is not None:
        keep_apart(out, [ckpt, ckpt / "best.pt", *map(user_path, what)])
    predictor, errors = load_predictor(ckpt, plugins=plugin or [], views=tta), dict[str, str]()
    if predictor.spec.kind is PICTURES:  # many files, some of them bad
        track = Display(quiet=not sys.stderr.isatty()).track
        answers = pictures.predict_pictures(
            predictor, gather(what), track, top_k=top_k, max_error=max_error, workers=workers
        )
        _tell_threshold(answers)
        text, errors = pictures.format_answers(answers, form or "table"), answers.errors
    elif len(what) > 1:
        raise ConfigError(f"'{what[1]}' is a second table; give one")
    else:
        text = rows.answer_rows(predictor, what[0], form or "csv")
    _write(text, out)
    _end_with(errors)


def _tell_threshold(answers: "Answers") -> None:
    if answers.threshold is None:
        return
    share = f"{100 * answers.answered:.0f} % of the validation pictures"
    few = ", which is few" if answers.samples < FEW else ""
    note = f"answered from a confidence of {answers.threshold:.4f} on, as {share} are; this rests on"
    typer.echo(f"note: {note} {answers.samples:,} of them{few}", err=True)


def _write(text: str, out: Path | None) -> None:
    if out is None:
        print(text, end="")
    else:
        out.write_text(text, encoding="utf-8")


def _end_with(errors: dict[str, str]) -> None:
    """Name the files that could not be answered for; they make the command fail after it has done its work."""
    for path, cause in errors.items():
        typer.echo(f"error: {path}: {cause}", err=True)
    if errors:
        raise typer.Exit(DataError.exit_code)


def generate(
    ckpt: Checkpoint,
    prompt: Prompt = "",
    length: Length = 500,
    temperature: Temperature = 0.8,
    top_k: LikeliestK = 40,
    top_p: LikeliestP = None,
    beam: Beam = None,
    seed: Seed = 0,
    stream: Stream = False,
    plugin: Plugin = None,
    json_: Json = False,
) -> None:
    """Continue a text with a network that learned from text."""
    from cnncli.cli.console import print_json
    from cnncli.inference import generate as generation
    from cnncli.inference.predictor import load_predictor

    predictor = load_predictor(ckpt, plugins=plugin or [])
    _, unknown = generation.encode(prompt, generation.text_of(predictor))
    pieces: Iterable[str]
    found: dict[str, float] = {}
    if beam is None:
        pieces = generation.generate(predictor, prompt, length, temperature, top_k, top_p, None, seed)
    else:
        pieces, found["log_probability"] = generation.most_probable(predictor, prompt, length, beam)
    if unknown:
        typer.echo(f"note: the network does not know {', '.join(map(repr, unknown))}", err=True)
    if json_:
        print_json({"prompt": prompt, "text": "".join(pieces), "length": length, **found})
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
    from cnncli.inference import forecast as forecasting
    from cnncli.inference.predictor import load_predictor
    from cnncli.inference.rows import format_rows

    predictor = load_predictor(ckpt, plugins=plugin or [])
    found = forecasting.forecast(predictor, steps, csv)
    rows = forecasting.forecast_rows(found)
    if plot is not None:
        forecasting.draw(found, plot)
    if out is not None:
        out.write_text(format_rows(rows, "csv", digits=""), encoding="utf-8")
    if json_:
        print(format_rows(rows, "json", about={"targets": found[0].targets, "level": found[0].level}), end="")
    elif out is None:
        print(format_rows(rows, "table"), end="")
