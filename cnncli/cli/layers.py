"""What ``inspect`` prints: layers, their sums, and the plan of a run."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnncli.cli.console import print_json, print_table, tell_row
from cnncli.cli.outputs import Output
from cnncli.cli.words import needed, split_words
from cnncli.core.errors import ConfigError

if TYPE_CHECKING:
    from cnncli.models.inspect import LayerRow
    from cnncli.training.outlook import Outlook


def of_config(words: list[str] | None) -> tuple[Path, bool, list[str]]:
    """What ``split_either`` gives where the first word is a config, whatever runs there are."""
    path, overrides = split_words(words)
    return needed(path), False, overrides


def checked(ckpt: str | None, shape: str | None, plan: bool, picture: Path | None) -> Output | None:
    """The file of the picture; raises ``ConfigError`` for options that exclude each other."""
    for option, given in (("--plan", plan), ("--picture", picture is not None)):
        if given and ckpt is not None:
            raise ConfigError(f"{option} is about a run to come, --ckpt about a trained network; leave out {option}")
        if given and shape is not None:
            raise ConfigError(f"{option} needs the data, --input does without; leave out --input")
    return None if picture is None else Output("--picture", picture, text=False)


def look_ahead(
    path: Path, overrides: Sequence[str], runs_dir: Path, plan: bool, picture: Output | None
) -> "Outlook | None":
    """Draw the schedule, and measure what a run takes, where that is asked for."""
    if picture is None and not plan:
        return None
    from cnncli.insight.schedule_picture import draw_schedule
    from cnncli.training.build import build_experiment
    from cnncli.training.configs import load_config
    from cnncli.training.display import Display
    from cnncli.training.outlook import outlook

    loaded, track = load_config(path, overrides, runs_dir=runs_dir), Display(quiet=True).track
    if picture is not None:
        drawn = build_experiment(loaded, track, measure=False)
        picture.write(lambda file: draw_schedule(drawn, file))
    return outlook(build_experiment(loaded, track)) if plan else None


def show(rows: "list[LayerRow]", plan: "Outlook | None", as_json: bool) -> None:
    """Print all of it."""
    if as_json:
        print_json({**layers_json(rows), "plan": None if plan is None else plan.to_json()})
        return
    print_layers(rows)
    if plan is not None:
        seconds = f"{plan.epoch_seconds:.3g} s, of which {plan.eval_seconds:.2g} s on validation"
        tell_row("epoch", f"{seconds}; {plan.epochs} epochs take {plan.epochs * plan.epoch_seconds:.3g} s")
        if plan.memory is not None:
            tell_row("memory", f"{memory(plan.memory)} at most on {plan.device}")
        tell_row("disk", f"{memory(plan.disk)} in the run's folder, a checkpoint with its optimizer "
                 f"{memory(plan.checkpoint)}")  # fmt: skip


def print_layers(rows: "list[LayerRow]") -> None:
    """A network's layers, and what it has and does in all."""
    from cnncli.models.inspect import totals

    whole = totals(rows)
    cells = [
        [row.name, row.kind, _shape(row.output_shape), f"{row.parameters:,}", f"{row.multiply_adds:,}",
         memory(row.activation_bytes), _shape(row.receptive_field or ()), row.formula]
        for row in rows
    ]  # fmt: skip
    columns = ["layer", "type", "output", "parameters", "multiply-adds", "kept", "field", "counted as"]
    print_table(f"{whole.parameters:,} parameters", columns, cells, left=(0, 1, 7))
    tell_row("learned", f"{whole.trainable:,} parameters are trainable, {whole.frozen:,} frozen")
    tell_row("a sample", f"{whole.multiply_adds:,} multiply-adds forward; {memory(whole.activation_bytes)} kept for "
             "the backward pass")  # fmt: skip
    if whole.receptive_field is not None:
        tell_row(
            "field", f"a value of the last convolution or pooling sees {_shape(whole.receptive_field)} of the input"
        )


def layers_json(rows: "list[LayerRow]") -> dict[str, Any]:
    """The keys that docs/json.md lists."""
    from cnncli.models.inspect import totals

    return {"layers": [asdict(row) | {"trainable": row.trainable} for row in rows], **asdict(totals(rows))}


def _shape(sizes: tuple[int, ...]) -> str:
    return "×".join(map(str, sizes))


def memory(number: float) -> str:
    """Bytes in the unit that suits them."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:.0f} B"
