"""``explain``: what a network looks at in a picture, and which columns of a table matter to it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli.console import print_json, print_table, say, tell, warn
from cnncli.cli.options import Checkpoint, Json, Plugin, RunsDir
from cnncli.cli.outputs import Output
from cnncli.cli.words import split_asked
from cnncli.core.errors import ConfigError, DataError, NoMap, StorageError

if TYPE_CHECKING:
    from PIL.Image import Image

    from cnncli.inference.predictor import Predictor
    from cnncli.insight.explain_pictures import Explanation, Explanations, Wish
    from cnncli.insight.explain_rows import Importance

LONGEST = 150  # bytes of a picture's name in the name of its explanation

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CKPT|RUN [PATH]... [KEY=VALUE]...",
        help="CKPT|RUN\tA checkpoint, a run's folder or name, or latest: the newest run.\nPATH\tPictures, folders, "
        "globs. A run that learned from a table needs none: its validation rows are used.",
        show_default=False,
    ),
]
ClassName = Annotated[
    str | None, typer.Option("--class", metavar="NAME", help="Pictures: explain this class, too, not only the answer.")
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        metavar="NAME",
        help="Pictures: gradcam, layercam, integrated or occlusion; several are several options. "
        "[default: gradcam, for transformers layercam]",
    ),
]
Folder = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the pictures are written.")]
Layers = Annotated[
    bool, typer.Option("--layers", help="Pictures: also write the first kernels, and what each layer makes of each.")
]
Most = Annotated[
    int, typer.Option("--most", metavar="N", min=1, help="Explain at most N pictures, spread evenly over all.")
]
RandomMaps = Annotated[
    int, typer.Option("--random", metavar="N", min=0, help="Random maps to compare each map with; 0 leaves out scores.")
]
Repeats = Annotated[
    int, typer.Option("--repeats", metavar="N", min=2, help="Tables: how often each column is shuffled.")
]


def explain(
    words: Words = None,
    ckpt: Checkpoint = None,
    class_: ClassName = None,
    method: Methods = None,
    layers: Layers = False,
    out: Folder = Path("explained"),
    most: Most = 24,
    random: RandomMaps = 19,
    repeats: Repeats = 10,
    plugin: Plugin = None,
    runs_dir: RunsDir = Path("runs"),
    json_: Json = False,
) -> None:
    """Show what a network looks at in pictures, or which columns of a table matter to it.

    Each picture is written beside a map of what speaks for the answer, and scored: removing what the map calls
    important must hurt more than removing the same area elsewhere.
    """
    path, what, overrides = split_asked(words, ckpt, runs_dir, "explain", alone=True)
    from cnncli.training.start import PREDICTOR, import_torch

    import_torch(PREDICTOR)
    from cnncli.inference.predictor import load_predictor
    from cnncli.insight.explain_pictures import Wish

    predictor = load_predictor(path, overrides, plugin or [])
    if not predictor.spec.kind.in_files:  # a picture is a file of its own
        _explain_rows(predictor, what, repeats, json_)
        return
    if not what:
        raise ConfigError(f"{path}: learned from pictures; name some after it: cnncli explain RUN PICTURE")
    wish = Wish(tuple(dict.fromkeys(method or [])), class_, random, layers)
    _explain_pictures(predictor, what, wish, out, most, json_)


def _explain_pictures(predictor: "Predictor", what: list[str], wish: "Wish", out: Path, most: int, json_: bool) -> None:
    from cnncli.inference.gather import gather
    from cnncli.insight.explain_pictures import check, explain_pictures, thinned
    from cnncli.training.display import Display

    try:
        wish = check(predictor, wish)
    except NoMap as error:
        raise NoMap(f"{error}; add --method occlusion") from error
    everything = gather(what)
    asked = thinned(everything, most)
    files = _Files(out, everything.paths)
    track = Display(quiet=json_ or not sys.stderr.isatty()).track
    result = explain_pictures(predictor, asked, wish, files.write, track)
    total = len(everything.names)
    if most < total:
        warn(f"note: {len(asked.names):,} of {total:,} pictures, spread evenly; --most {total} explains all")
    sheet = files.write("sheet", "", result.sheet(total)) if result.pictures > 1 else ""
    extra = _kernels(predictor, files) if wish.layers and result.pictures else ""
    if json_:
        _print_pictures_json(predictor, result, wish, total, sheet, extra)
    elif result.found:
        _show_pictures(result, wish, [name for name in (sheet, extra) if name])
    for name, cause in result.errors.items():
        warn(f"error: {name}: {cause}")
    if result.errors:
        raise typer.Exit(DataError.exit_code)


def _kernels(predictor: "Predictor", files: "_Files") -> str:
    from cnncli.insight.layer_pictures import kernels_sheet

    return files.write("kernels", "", kernels_sheet(predictor))


class _Files:
    """Names for what is written into a folder, each once; the folder is made where it lacks."""

    def __init__(self, folder: Path, read: list[Path]) -> None:
        self.folder, self.read = folder, read
        self.taken: dict[str, int] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"--out {folder}: cannot be made ({error.strerror}); choose another folder") from error
        Output("--out", folder / "sheet.png", read, text=False)  # whether anything can be written, before the work

    def write(self, name: str, what: str, image: "Image") -> str:
        """Write an image, and give its path."""
        stem = "picture" if name == "-" else Path(name).stem if what else name
        stem = stem.encode(errors="surrogateescape")[:LONGEST].decode(errors="ignore")
        base = f"{stem}-{what}" if what else stem
        number = self.taken[base] = self.taken.get(base, 0) + 1
        again = f"-{number}" if number > 1 else ""
        output = Output("--out", self.folder / f"{base}{again}.png", self.read, text=False)
        output.write(lambda file: image.save(file, format="PNG"))
        return str(output.path)


def _print_pictures_json(
    predictor: "Predictor", result: "Explanations", wish: "Wish", total: int, sheet: str, kernels: str
) -> None:
    print_json(
        {
            "checkpoint": str(predictor.path),
            "asked": total,
            "explained": result.pictures,
            "random_maps": wish.random_maps,
            "maps": [_map_json(each) for each in result.found],
            "sheet": sheet or None,
            "kernels": kernels or None,
            "errors": [{"path": path, "error": cause} for path, cause in result.errors.items()],
        }
    )


def _map_json(each: "Explanation") -> dict[str, object]:
    about = {
        "path": each.path,
        "prediction": each.prediction,
        "class": each.class_name,
        "probability": each.probability,
        "method": each.method,
        "file": each.file,
    }
    score = each.score
    if score is None:
        return about
    return {
        **about,
        "deletion": score.deletion,
        "insertion": score.insertion,
        "random_deletion": score.random_deletion,
        "random_insertion": score.random_insertion,
        "random_maps_beaten": score.beaten,
        "better_than_random": score.explains,
    }


def _show_pictures(result: "Explanations", wish: "Wish", more: list[str]) -> None:
    """A row for each map; what is the same in all of them has no column."""
    several = len(wish.methods) > 1
    columns = ["picture", "predicted", *(["class"] if wish.class_name else []), "probability"]
    columns += [*(["method"] if several else [])]
    columns += ["deletion (random)", "insertion (random)", "better"] if wish.random_maps else []
    rows = []
    for each in result.found:
        answer = f"{each.prediction:.5g}" if isinstance(each.prediction, float) else str(each.prediction)
        probability = "" if each.probability is None else f"{each.probability:.4f}"
        row = [each.path, answer, *([each.class_name] if wish.class_name else []), probability]
        row += [each.method] if several else []
        if (score := each.score) is not None:
            row.append(f"{score.deletion:.3f} ({score.random_deletion:.3f})")
            row.append(f"{score.insertion:.3f} ({score.random_insertion:.3f})")
            row.append("yes" if score.explains else "no")
        rows.append([*row, each.file])
    words = {"picture", "predicted", "class", "method"}
    left = [number for number, name in enumerate(columns) if name in words]
    by = "" if several else f", by {wish.methods[0]}"
    print_table(f"What speaks for a class{by}", [*columns, "file"], rows, left=[*left, len(columns)])
    if wish.random_maps:
        tell(_verdict(result))
    for name in more:
        say(f"also      {name}")


def _verdict(result: "Explanations") -> str:
    """What the scores mean, in words."""
    scores = [each.score for each in result.found if each.score is not None]
    good, count = sum(score.explains for score in scores), len(scores)
    random = "random maps of the same smoothness"
    if not good:
        which = "The map is not" if count == 1 else f"None of the {count} maps is"
        return f"{which} clearly better than {random}: do not rely on {'it' if count == 1 else 'them'}."
    better = f"better than each of {scores[0].maps} {random}"
    if count == 1:
        return f"The map is {better}."
    own, other = (sum(getattr(score, name) for score in scores) / count for name in ("deletion", "random_deletion"))
    better += f" (deletion {own:.3f} on average, random maps {other:.3f})"
    return f"{good} of {count} maps are {better}.{'' if good == count else ' Do not rely on the others.'}"


def _explain_rows(predictor: "Predictor", what: list[str], repeats: int, json_: bool) -> None:
    from cnncli.insight.explain_rows import explain_rows
    from cnncli.training.display import Display

    if what:
        raise ConfigError(f"'{what[0]}': the columns are judged on the run's own validation rows; leave it out")
    found = explain_rows(predictor, repeats, Display(quiet=json_ or not sys.stderr.isatty()))
    if json_:
        print_json(found.to_json())
    else:
        _show_rows(found, predictor.spec.kind.unit)


def _show_rows(found: "Importance", unit: str) -> None:
    rows = [
        [each.name, f"{each.mean:.4f} ± {each.deviation:.4f}", f"{each.loss_mean:.4f} ± {each.loss_deviation:.4f}"]
        for each in found.columns
    ]
    change = "rise" if found.lower_is_better else "fall"
    title = f"What each column is worth on {found.samples:,} {found.split} {unit}, shuffled {found.repeats} times"
    metric = found.metric.replace("_", " ")
    print_table(title, ["column", f"{change} of {metric}", "rise of loss"], rows)
    say(f"{metric} {found.value:.4f} and loss {found.loss:.4f} with every column as it is")
    for line in found.warnings():
        tell(line)
