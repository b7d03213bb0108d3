"""The commands that begin with a checkpoint: what each takes, and the one function it calls."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cnncli.cli.console import print_text, say, terminal_width, warn
from cnncli.cli.options import (
    Beam,
    By,
    Checkpoint,
    Encoding,
    Form,
    Json,
    JsonLines,
    Length,
    LikeliestK,
    LikeliestP,
    MaxError,
    NewData,
    Nproc,
    Out,
    PlotFile,
    Plugin,
    Prompt,
    RunsDir,
    Seed,
    SeriesFile,
    SplitName,
    Steps,
    Stream,
    TableFile,
    Temperature,
    TopK,
    Trained,
    Tta,
    What,
    Workers,
    in_ranks,
)  # fmt: skip
from cnncli.cli.outputs import Output, named_files, set_encoding, trained_on
from cnncli.cli.words import split_asked, split_trained
from cnncli.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from cnncli.inference.predict_pictures import Answers
    from cnncli.inference.predictor import Predictor

FEW = 200  # validation pictures below which an error of a few per cent cannot be told from none


def _import_torch() -> None:
    from cnncli.training.start import PREDICTOR, import_torch

    import_torch(PREDICTOR)


def evaluate(
    ctx: typer.Context,
    words: Trained = None,
    ckpt: Checkpoint = None,
    split: SplitName = None,
    data: NewData = None,
    by: By = None,
    tta: Tta = False,
    plugin: Plugin = None,
    runs_dir: RunsDir = Path("runs"),
    nproc: Nproc = 1,
    json_: Json = False,
) -> None:
    """Evaluate a checkpoint, which contains config, classes and preprocessing; only the data must be available."""
    from cnncli.core.splits import parse_split

    wanted = None if split is None else parse_split(split)
    if data is not None and wanted not in (None, "test"):
        raise ConfigError("--split and --data exclude each other: all samples there are judged; choose one")
    path, overrides = split_trained(words, ckpt, runs_dir, "--data")
    in_ranks(ctx, nproc)
    _import_torch()
    from cnncli.cli import tables
    from cnncli.compute.ranks import join
    from cnncli.inference import evaluate as evaluation
    from cnncli.inference.predictor import load_predictor
    from cnncli.training.display import Display

    predictor = load_predictor(path, overrides, plugin or [], views=tta, ranks=join())
    tables.print_evaluation(evaluation.evaluate(predictor, wanted, Display(quiet=json_), data, by), json_)


def predict(
    what: What = None,
    ckpt: Checkpoint = None,
    top_k: TopK = 1,
    max_error: MaxError = None,
    tta: Tta = False,
    out: Out = None,
    form: Form = None,
    encoding: Encoding = None,
    workers: Workers = None,
    plugin: Plugin = None,
    runs_dir: RunsDir = Path("runs"),
    json_: JsonLines = False,
) -> None:
    """Predict the class of pictures, or add predictions to the rows of a table; broken files are reported."""

    form = _form(form, json_)
    path, asked, overrides = split_asked(what, ckpt, runs_dir)
    output = _output("--out", out, path, plugin, asked)
    set_encoding(output, encoding, form)
    _import_torch()
    from cnncli.core.spec import PICTURES
    from cnncli.inference import predict as rows
    from cnncli.inference.predict_pictures import format_answers
    from cnncli.inference.predictor import load_predictor

    predictor, errors = load_predictor(path, overrides, plugin or [], views=tta), dict[str, str]()
    width = terminal_width() if output is None else None
    _keep_training_files(output, predictor)
    if predictor.spec.kind is PICTURES:  # many files, some of them bad
        answers = _pictures(predictor, asked, output, top_k, max_error, workers)
        text, errors = format_answers(answers, form or "table", width), answers.errors
        parts: Iterable[str] = [text]
    elif len(asked) > 1:
        raise ConfigError(f"'{asked[1]}' is a second table; give one")
    else:
        parts = rows.answer_rows(predictor, asked[0], form or "csv", width)
    _write(output, parts, json=form in ("json", "jsonl"))
    _end_with(f"{file}: {cause}" for file, cause in errors.items())


def _write(output: Output | None, parts: Iterable[str], json: bool) -> None:
    """Write to the file, or to standard output where none is named."""
    if output is None:
        print_text("".join(parts), json=json)
    else:
        output.write_parts(parts)


def _form(form: str | None, lines: bool) -> str | None:
    """The form that ``--format`` and ``--json`` mean together; raises ``ConfigError`` where there is no such form."""
    from cnncli.inference.rows import check_format

    if lines and form not in (None, "jsonl"):
        raise ConfigError(f"--json and --format {form} exclude each other; choose one")
    check_format(form or "csv")
    return "jsonl" if lines else form


def _pictures(
    predictor: "Predictor", what: list[str], output: Output | None, top_k: int, max_error: float | None,
    workers: int | None,
) -> "Answers":  # fmt: skip
    """The answers to all that can be read."""
    from cnncli.inference import predict_pictures as pictures
    from cnncli.inference.gather import gather
    from cnncli.training.display import Display

    asked = gather(what)
    if output is not None:
        output.keep_apart(asked.paths)
    track = Display(quiet=not sys.stderr.isatty()).track
    answers = pictures.predict_pictures(predictor, asked, track, top_k=top_k, max_error=max_error, workers=workers)
    _tell_threshold(answers)
    return answers


def _tell_threshold(answers: "Answers") -> None:
    if answers.threshold is None:
        return
    share = f"{100 * answers.answered:.0f} %"
    few = ", which are few" if answers.samples < FEW else ""
    if not answers.answered:
        warn(
            f"note: all answers are 'unknown': no confidence was enough on {answers.samples:,} validation pictures{few}"
        )
        return
    note = f"below a confidence of {answers.threshold:.4f} the answer is 'unknown'; at or above it were {share} of the"
    warn(f"note: {note} {answers.samples:,} validation pictures that this threshold was chosen on{few}")


def _output(
    option: str, path: Path | None, ckpt: Path, plugins: list[Path] | None, what: Iterable[str], text: bool = True
) -> Output | None:
    """The file that ``option`` names, none of those that a command with a checkpoint and such data reads."""
    if path is None:
        return None
    read = [ckpt, *(plugins or []), *(file for word in what for file in named_files(word))]
    return Output(option, path, read, text=text)


def _keep_training_files(output: Output | None, predictor: "Predictor") -> None:
    """Raise ``ConfigError`` when ``output`` is a file that the network was trained on."""
    if output is not None:
        output.keep_apart(trained_on(predictor.config.dataset))


def _tell_written(outputs: dict[str, Output | None]) -> None:
    """Say where the files lie that were written."""
    for what, output in outputs.items():
        if output is not None and not output.is_stream:
            say(f"{what:<9} {output.path}")


def _end_with(errors: Iterable[str]) -> None:
    """Name what could not be answered for; it makes the command fail after it has done its work."""
    found = list(errors)
    for error in found:
        warn(f"error: {error}")
    if found:
        raise typer.Exit(DataError.exit_code)


def generate(
    words: Trained = None,
    ckpt: Checkpoint = None,
    prompt: Prompt = "",
    length: Length = 500,
    temperature: Temperature = 0.8,
    top_k: LikeliestK = 40,
    top_p: LikeliestP = None,
    beam: Beam = None,
    seed: Seed = 0,
    stream: Stream = False,
    plugin: Plugin = None,
    runs_dir: RunsDir = Path("runs"),
    json_: Json = False,
) -> None:
    """Continue a text with a network that learned from text."""
    path, overrides = split_trained(words, ckpt, runs_dir)
    _import_torch()
    from cnncli.cli.console import print_json
    from cnncli.inference import generate as generation
    from cnncli.inference.predictor import load_predictor

    predictor = load_predictor(path, overrides, plugin or [])
    _, unknown = generation.encode(prompt, generation.text_of(predictor))
    pieces: Iterable[str]
    found: dict[str, float] = {}
    if beam is None:
        pieces = generation.generate(predictor, prompt, length, temperature, top_k, top_p, None, seed)
    else:
        pieces, found["log_probability"] = generation.most_probable(predictor, prompt, length, beam)
    if unknown:
        warn(f"note: the network does not know {', '.join(map(repr, unknown))}")
    if json_:
        print_json({"prompt": prompt, "text": "".join(pieces), "length": length, **found})
        return
    print_text(prompt, flush=stream)
    for piece in pieces if stream else ["".join(pieces)]:
        print_text(piece, flush=stream)
    print()


def forecast(
    words: Trained = None,
    ckpt: Checkpoint = None,
    steps: Steps = 12,
    csv: SeriesFile = None,
    out: TableFile = None,
    plot: PlotFile = None,
    plugin: Plugin = None,
    runs_dir: RunsDir = Path("runs"),
    json_: Json = False,
) -> None:
    """Forecast beyond the end of a series, in its own unit, with an interval."""
    path, overrides = split_trained(words, ckpt, runs_dir, "--csv")
    _import_torch()
    from cnncli.inference import forecast as forecasting
    from cnncli.inference.predictor import load_predictor
    from cnncli.inference.rows import format_rows

    given = [] if csv is None else [str(csv)]
    table = _output("--out", out, path, plugin, given)
    picture = _output("--plot", plot, path, plugin, given, text=False)
    plot_format = "" if plot is None else forecasting.plot_format(plot)
    if table is not None and picture is not None and table.same_as(picture):
        raise ConfigError(f"--plot {plot}: is --out as well; choose another name")
    predictor = load_predictor(path, overrides, plugin or [])
    _keep_training_files(table, predictor)
    _keep_training_files(picture, predictor)
    found, errors = forecasting.forecast(predictor, steps, csv)
    rows = forecasting.forecast_rows(found)
    if picture is not None:
        picture.write(lambda file: forecasting.draw(found, file, plot_format))
    if table is not None:
        table.write_text(format_rows(rows, "csv", digits=""))
    if json_:
        print_text(format_rows(rows, "json", about=forecasting.about(found, errors)), json=True)
    else:
        if out is None:
            print_text(format_rows(rows, "table", width=terminal_width()))
        _tell_written({"forecast": table, "picture": picture})
    _end_with(errors.values())
