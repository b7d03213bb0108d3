"""``export``: a trained network as a file for other programs, compared with its checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli.console import print_json, print_table, say, warn
from cnncli.cli.options import Checkpoint, Json, Plugin, RunsDir, Trained
from cnncli.cli.words import split_trained
from cnncli.core.errors import ConfigError, did_you_mean
from cnncli.core.printable import shell_word

if TYPE_CHECKING:
    from cnncli.deploy.export import Export
    from cnncli.inference.predictor import Predictor
    from cnncli.training.display import Display

FORMATS = ("onnx", "pt2", "safetensors", "web")

Format = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="onnx|pt2|safetensors|web",
        help="onnx (for ONNX Runtime), pt2 (torch.export), safetensors (weights alone) or web (a page in a folder).",
    ),
]
Folder = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The folder that is made or replaced.")]
DynamicBatch = Annotated[
    bool,
    typer.Option("--dynamic-batch/--one-at-a-time", help="Take any number of samples at a time (the default); with "
                 "--one-at-a-time exactly one."),
]  # fmt: skip
Quantize = Annotated[
    str | None, typer.Option("--quantize", metavar="int8", help="Weights and activations in 8 bits (onnx and web).")
]
MaxLoss = Annotated[
    float,
    typer.Option("--max-loss", metavar="POINTS", min=0, help="What 8 bits may cost on validation, in percentage points "
                 "of the headline metric."),
]  # fmt: skip
Opset = Annotated[int, typer.Option("--opset", metavar="N", min=18, max=23, help="The version of ONNX's operators.")]
Verify = Annotated[
    Path | None,
    typer.Option("--verify", metavar="FILE", help="Compare a file that was exported earlier; write nothing."),
]
Benchmark = Annotated[
    bool, typer.Option("--benchmark", help="Compare the formats: size, difference, metric, time, memory. Write none.")
]


def export(
    words: Trained = None,
    ckpt: Checkpoint = None,
    format_: Format = "onnx",
    out: Folder = Path("exported"),
    dynamic_batch: DynamicBatch = True,
    quantize: Quantize = None,
    max_loss: MaxLoss = 1.0,
    opset: Opset = 20,
    verify: Verify = None,
    benchmark: Benchmark = False,
    plugin: Plugin = None,
    runs_dir: RunsDir = Path("runs"),
    json_: Json = False,
) -> None:
    """Write a trained network, with its preprocessing, as a file that other programs run.

    Its answers are compared with those of the checkpoint on real samples. Where they differ by more than 1e-4, nothing
    is written.
    """
    path, overrides = split_trained(words, ckpt, runs_dir)
    _check(format_, quantize)
    predictor, display = _loaded(path, overrides, plugin or [], json_)
    from cnncli.deploy import export as exporting
    from cnncli.deploy.formats import Wish

    if benchmark:
        _benchmark(predictor, display, json_)
    elif verify is not None:
        _show(exporting.verify(predictor, verify, display, max_loss), json_)
    else:
        wish = Wish(dynamic_batch, opset)
        request = exporting.Request(format_, out, wish, quantize is not None, max_loss)  # type: ignore[arg-type]
        _show(exporting.export(predictor, request, display), json_)


def _check(format_: str, quantize: str | None) -> None:
    if format_ not in FORMATS:
        raise ConfigError(f"--format {format_}: unknown; {did_you_mean(format_, FORMATS)}")
    if quantize not in (None, "int8"):
        raise ConfigError(f"--quantize {quantize}: only int8 is known")


def _loaded(path: Path, overrides: list[str], plugins: list[Path], quiet: bool) -> "tuple[Predictor, Display]":
    from cnncli.training.start import PREDICTOR, import_torch

    import_torch(PREDICTOR)
    from cnncli.inference.predictor import load_predictor
    from cnncli.training.display import Display

    # compared on the processor and in full precision, whatever the network was trained on
    return load_predictor(path, [*overrides, "device=cpu", "precision=fp32"], plugins), Display(quiet=quiet)


def _show(found: "Export", json_: bool) -> None:
    for note in found.notes:
        warn(f"note: {note}")
    if json_:
        print_json(found.to_json())
        return
    if found.page:
        say(f"{found.folder}  a page: cd {shell_word(found.folder)} && python -m http.server, then open "
            "http://localhost:8000")  # fmt: skip
    say(f"{found.file}  {found.bytes / 1e6:,.2f} MB")
    say(str(found.parity))
    if found.loss is not None:
        say(str(found.loss))


def _benchmark(predictor: "Predictor", display: "Display", json_: bool) -> None:
    from cnncli.deploy.benchmark import benchmark, columns

    rows = benchmark(predictor, display)
    if json_:
        print_json([vars(row) for row in rows])
    else:
        print_table("", columns(predictor), [row.cells() for row in rows])
