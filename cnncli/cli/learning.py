"""``learning-curve``: whether more data would help."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli.console import print_json, print_table, say, tell
from cnncli.cli.options import Json, RunsDir, Words
from cnncli.cli.outputs import Output
from cnncli.cli.words import needed, print_notices, split_words
from cnncli.core.errors import TrainingError
from cnncli.runs.seed_sets import parse_seeds

if TYPE_CHECKING:
    from cnncli.insight.learning_curve import Curve
    from cnncli.runs.rows import Spread

Fractions = Annotated[
    str | None,
    typer.Option("--fractions", metavar="N,…", help="Percentages of the training split. [default: "
                 "5,10,20,35,50,100]"),
]  # fmt: skip
CurveSeeds = Annotated[str, typer.Option("--seeds", metavar="N|SEED,…", help="How many seeds, or which, as in train.")]
Picture = Annotated[Path, typer.Option("--picture", metavar="FILE.png", help="Where the picture is written.")]


def learning_curve(
    words: Words = None,
    fractions: Fractions = None,
    seeds: CurveSeeds = "3",
    picture: Picture = Path("curve.png"),
    runs_dir: RunsDir = Path("runs"),
    json_: Json = False,
) -> None:
    """Would more data help? Train a config on parts of its training split, and fit a power law.

    The validation split and the number of epochs are the same for all parts. Each seed takes samples of its own, of
    each class the same share; a smaller part is inside a larger one. The runs are in runs/NAME-learning-curve; repeat
    the command after an interruption to train those that are missing.
    """
    from cnncli.training.start import EXPERIMENT, begin, import_torch

    path, overrides = split_words(words)
    path = needed(path)
    begin(path, overrides)
    output = Output("--picture", picture, text=False)
    parse_seeds(seeds, first=0)
    import_torch(EXPERIMENT)
    from cnncli.insight.curve_picture import draw_learning_curve
    from cnncli.insight.learning_curve import learning_curve as trained
    from cnncli.insight.learning_curve import parse_fractions
    from cnncli.training.configs import load_config

    loaded = load_config(path, overrides, runs_dir=runs_dir)
    print_notices(loaded.notices)
    curve = trained(loaded, parse_fractions(fractions), parse_seeds(seeds, loaded.config.seed), runs_dir, quiet=json_)
    output.write(lambda file: draw_learning_curve(curve, file))
    _show(curve, picture, json_)
    if curve.parts.failed:
        part, cause = next(iter(curve.parts.failed.items()))
        raise TrainingError(f"{len(curve.parts.failed)} runs have no result, the first is of {part}: {cause}")


def _show(curve: "Curve", picture: Path, as_json: bool) -> None:
    from cnncli.cli.runs_table import spread_text

    if as_json:
        print_json({**curve.to_json(), "picture": str(picture)})
        return
    rows = []
    for samples, values in curve.values.items():
        found = curve.spread_at(samples)
        fitted = "" if curve.law is None else spread_text(curve.name, _alone(curve, samples))
        rows.append([f"{100 * curve.fractions[samples]:g} %", f"{samples:,}", str(len(values)),
                     spread_text(curve.name, found), fitted])  # fmt: skip
    columns = ["part", "training samples", "runs", curve.metric, "power law"]
    print_table(curve.parts.name, columns, rows)
    for sentence in curve.sentences():
        tell(sentence)
    if curve.parts.running:
        say(f"running   {'; '.join(map(str, curve.parts.running))}: trained by another process")
    say(f"picture   {picture}")


def _alone(curve: "Curve", samples: int) -> "Spread":
    from cnncli.runs.rows import Spread

    assert curve.law is not None
    return Spread(curve.metric_of(curve.law.at(samples)).value, None, 1)
