"""``convolve``: a picture filtered with kernels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli.console import print_json, print_table
from cnncli.cli.options import Json, RunsDir
from cnncli.cli.outputs import Output
from cnncli.core.errors import ConfigError, StorageError
from cnncli.insight.kernels import NAMED, kernel
from cnncli.runs.references import find_checkpoint

if TYPE_CHECKING:
    from cnncli.insight.convolve import Map

Picture = Annotated[Path, typer.Argument(metavar="IMAGE", help="IMAGE\tA picture.", show_default=False)]
Kernels = Annotated[
    list[str] | None,
    typer.Option(
        "--kernel",
        metavar="NAME|FILE",
        help=f"A kernel: {', '.join(NAMED)}, or a text file with one row a line. Several are several options.",
    ),
]
Learned = Annotated[
    str | None, typer.Option("--ckpt", metavar="CKPT|RUN", help="The kernels of the first convolution of this network.")
]
Folder = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the filtered pictures are written.")]


def convolve(
    image: Picture,
    kernels: Kernels = None,
    ckpt: Learned = None,
    out: Folder = Path(),
    runs_dir: RunsDir = Path("runs"),
    json_: Json = False,
) -> None:
    """Filter a picture with kernels, as a convolutional layer does; each map is written as a picture.

    The picture is grey, and a map holds what a kernel gives at every place where it fits into the picture, cut to
    0…255. Of --ckpt the picture has the network's colours, and black and white are a map's lowest and highest value.
    """
    if not kernels and ckpt is None:
        raise ConfigError("no kernel given; add --kernel sharpen, --kernel FILE, or --ckpt RUN")
    named = [kernel(word) for word in kernels or []]
    path = None if ckpt is None else find_checkpoint(ckpt, runs_dir)
    from cnncli.training.start import PREDICTOR, import_torch

    import_torch(PREDICTOR)
    from cnncli.insight.convolve import filtered, learned, normalised, stretched

    maps = filtered(image, named) if named else []
    if path is not None:
        from cnncli.inference.predictor import load_predictor

        predictor = load_predictor(path)
        maps += stretched(normalised(image, predictor), learned(predictor), "conv")
    _show([(each, _write(each, file)) for each, file in zip(maps, _files(maps, image, out), strict=True)], json_)


def _files(maps: list["Map"], image: Path, folder: Path) -> list[Output]:
    """A file for each map, in a folder that is made where it lacks; two kernels of one name get different ones."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"--out {folder}: cannot be made ({error.strerror}); choose another folder") from error
    taken: dict[str, int] = {}
    found = []
    for each in maps:
        taken[each.name] = taken.get(each.name, 0) + 1
        again = f"-{taken[each.name]}" if taken[each.name] > 1 else ""
        found.append(Output("--out", folder / f"{image.stem}-{each.name}{again}.png", read=[image], text=False))
    return found


def _write(each: "Map", output: Output) -> Path:
    from PIL import Image

    picture = Image.fromarray(each.pixels.numpy())
    output.write(lambda file: picture.save(file, format="PNG"))
    return output.path


def _show(written: list[tuple["Map", Path]], as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "kernel": each.name,
                    "kernel_size": list(each.kernel),
                    "size": list(each.pixels.shape),
                    "lowest": each.lowest,
                    "highest": each.highest,
                    "path": str(path),
                }
                for each, path in written
            ]
        )
        return
    rows = [
        [
            each.name,
            "×".join(map(str, each.kernel)),
            "×".join(map(str, each.pixels.shape)),
            f"{each.lowest:.4g} to {each.highest:.4g}",
            str(path),
        ]
        for each, path in written
    ]
    print_table("Filtered, height × width", ["kernel", "its size", "map", "values", "file"], rows)
