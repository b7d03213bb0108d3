"""``adopt``: the weights that a script of the user's own has saved become a run."""

from pathlib import Path
from typing import Annotated

import typer

from cnncli.cli.options import Json, Name, Overwrite, RunsDir
from cnncli.cli.reporting import write_report
from cnncli.cli.words import is_override, print_notices
from cnncli.core.errors import ConfigError, FitsInOrder
from cnncli.core.files import user_path
from cnncli.runs.references import CONFIGS

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="WEIGHTS CONFIG [KEY=VALUE]...",
        help="WEIGHTS\tThe file in which a script saved its state_dict.\nCONFIG\tA YAML file, or the name of a config "
        "that comes with cnncli: the script's network, data and normalisation.\nKEY=VALUE\tOverride a key of the "
        "config: model.name=mlp.",
        show_default=False,
    ),
]
ByOrder = Annotated[
    bool,
    typer.Option("--by-order", help="Pair the entries by order and shape, where their names are not the network's."),
]


def adopt(
    words: Words = None,
    by_order: ByOrder = False,
    name: Name = None,
    runs_dir: RunsDir = Path("runs"),
    overwrite: Overwrite = False,
    json_: Json = False,
) -> None:
    """Make a run of the weights that a script of your own has saved, and evaluate it.

    The run has a best.pt that eval, predict, explain, inspect and finetune take. Nothing is trained.
    """
    from cnncli.config.yaml_source import yaml_text
    from cnncli.training.new_run import new_run, parse_name
    from cnncli.training.start import begin, import_torch

    file, config, overrides = _split(words or [])
    run_name, run_id = parse_name(name)
    named = [*overrides, f"name={yaml_text(run_name)}"] if run_name else overrides
    begin(config, named)
    new = new_run(runs_dir, run_id, overwrite, overrides)
    import_torch()
    from cnncli.cli import tables
    from cnncli.training.adopt import adopt as adopted
    from cnncli.training.configs import load_config
    from cnncli.training.display import Display

    loaded = load_config(config, named, runs_dir=runs_dir)
    print_notices(loaded.notices)
    try:
        found = adopted(loaded, file, by_order, new, Display(quiet=json_))
    except FitsInOrder as error:
        raise FitsInOrder(f"{error}: add --by-order") from error
    tables.print_adopted(found, json_)
    write_report(found.result, loaded.config.logging.report, json_)


def _split(words: list[str]) -> tuple[Path, Path, list[str]]:
    """The file of weights, the config, and the overrides; raises ``ConfigError`` where one is missing."""
    overrides = [word for word in words if is_override(word)]
    others = [word for word in words if not is_override(word)]
    if not others:
        raise ConfigError("no weights given; name their file, then a config: cnncli adopt weights.pth my.yaml")
    if len(others) == 1:
        raise ConfigError(f"'{others[0]}' alone is not enough; name the weights, then the config of the network")
    if len(others) > 2:
        raise ConfigError(f"'{others[2]}' is a third path; overrides are written key=value")
    file, config = map(user_path, others)
    if file.suffix in CONFIGS and config.suffix not in CONFIGS:
        raise ConfigError(f"'{file}' is a config; the weights come first: cnncli adopt {config} {file}")
    return file, config, overrides
