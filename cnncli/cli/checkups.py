"""``doctor`` and ``lr-find``: short trials of a config before it is trained."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli.console import print_json, say, tell, tell_row
from cnncli.cli.options import Json, RunsDir, Words
from cnncli.cli.outputs import Output
from cnncli.cli.words import needed, print_notices, split_words
from cnncli.core.errors import ConfigError, TrainingError

if TYPE_CHECKING:
    from cnncli.insight.lr_find import Found

Low = Annotated[float, typer.Option("--low", metavar="RATE", min=1e-12, help="The lowest rate.")]
High = Annotated[float, typer.Option("--high", metavar="RATE", max=1e12, help="The highest rate.")]
Steps = Annotated[int, typer.Option("--steps", metavar="N", min=20, max=10_000, help="Optimizer steps of the test.")]
Picture = Annotated[Path, typer.Option("--out", metavar="FILE.png", help="The picture to write.")]


def doctor(words: Words = None, runs_dir: RunsDir = Path("runs"), json_: Json = False) -> None:
    """Check in short trials whether a run will work; exit code 5 if something is wrong. No run is written.

    Each finding names a key of the config, what was measured, and what to do.
    """
    from cnncli.training.start import begin, import_torch

    path, overrides = split_words(words)
    begin(needed(path), overrides)
    import_torch()
    from cnncli.insight.doctor import examine
    from cnncli.training.configs import load_config
    from cnncli.training.display import Display

    loaded = load_config(needed(path), overrides, runs_dir=runs_dir)
    print_notices(loaded.notices)
    found = examine(loaded, Display(quiet=json_).track)
    if json_:
        print_json(found.to_json())
    else:
        for check in found.checks:
            tell(f"{check.name + ':':<15} {check.measured}")
        for finding in found.findings:
            tell(f"finding: {finding}")
        count = len(found.findings)
        say(f"{count} finding{'' if count == 1 else 's'} in {found.seconds:.0f} s" if count else
            f"nothing is wrong ({found.seconds:.0f} s)")  # fmt: skip
    if found.findings:
        raise typer.Exit(TrainingError.exit_code)


def lr_find(
    words: Words = None,
    low: Low = 1e-7,
    high: High = 10.0,
    steps: Steps = 100,
    out: Picture = Path("lr-find.png"),
    runs_dir: RunsDir = Path("runs"),
    json_: Json = False,
) -> None:
    """Train a few steps while the learning rate rises, and suggest a rate; no run is written.

    The suggestion is the rate at which the smoothed loss falls fastest. Several rates, as of finetune.backbone_lr,
    rise together.
    """
    from cnncli.training.start import begin, import_torch

    path, overrides = split_words(words)
    if not low < high:
        raise ConfigError(f"--low {low:g} is not below --high {high:g}; choose another range")
    begin(needed(path), overrides)
    output = Output("--out", out, text=False)
    import_torch()
    from cnncli.insight.lr_find import drawn, find_rate
    from cnncli.training.configs import load_config
    from cnncli.training.display import Display

    loaded = load_config(needed(path), overrides, runs_dir=runs_dir)
    print_notices(loaded.notices)
    found = find_rate(loaded, Display(quiet=json_).track, low, high, steps)
    picture = drawn(found)
    output.write(lambda file: file.write(picture))
    if json_:
        print_json({**found.to_json(), "picture": str(out)})
    else:
        _print_found(found, out)


def _print_found(found: "Found", picture: Path) -> None:
    test = found.test
    tell_row("config", f"{found.lr:.2g}")
    tell_row("lowest", f"loss {test.smoothed[test.lowest]:.4g} at {test.rates[test.lowest]:.2g}")
    tell_row("diverges", f"at {test.rates[-1]:.2g}" if test.diverged else f"not up to {test.rates[-1]:.2g}")
    tell_row("picture", str(picture))
    if found.suggestion is None:
        tell("no suggestion: the loss does not fall at any rate; cnncli doctor looks for the cause")
    else:
        say(found.words)
