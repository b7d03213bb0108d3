"""The commands that begin with a config: what each takes, and the one function it calls."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnncli.cli.console import print_config, say_first, warn
from cnncli.cli.options import (
    Checkpoint,
    Data,
    DryRun,
    Either,
    FinetuneWords,
    From,
    Json,
    MaxRestarts,
    Name,
    Nproc,
    Overwrite,
    Plugin,
    Profile,
    Resume,
    RunsDir,
    Seeds,
    StrategyName,
    TrainWords,
    Weights,
    Words,
    in_ranks,
)  # fmt: skip
from cnncli.cli.reporting import write_report
from cnncli.cli.seeds import check_seeds, train_seeds
from cnncli.cli.words import needed, print_notices, split_either, split_words
from cnncli.core.errors import ConfigError

if TYPE_CHECKING:
    from cnncli.config.checking import LoadedConfig
    from cnncli.runs.results import RunResult

TIMM = "timm/"


def train(
    ctx: typer.Context,
    words: TrainWords = None,
    name: Name = None,
    runs_dir: RunsDir = Path("runs"),
    resume: Resume = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    profile: Profile = False,
    seeds: Seeds = None,
    nproc: Nproc = 1,
    max_restarts: MaxRestarts = 0,
    json_: Json = False,
) -> None:
    """Train the network that a config describes; checkpoints, metrics and plots are written to runs/NAME/<time>."""
    from cnncli.training.start import begin_training

    path, overrides = _to_train(ctx.params, words)
    line = begin_training(path, overrides, name, runs_dir, resume)
    in_ranks(ctx, nproc, max_restarts, dry_run or profile)
    _start(line, json_)
    from cnncli.cli import tables
    from cnncli.training import experiment, plan
    from cnncli.training.display import Display
    from cnncli.training.profile import profile as profile_run

    display = Display(quiet=json_)
    loaded, new, found = experiment.prepare(path, overrides, name, runs_dir, resume, overwrite)
    print_notices(loaded.notices)
    if profile:
        tables.print_profile(profile_run(loaded, new, display), json_)
    elif dry_run:
        tables.print_plan(plan.dry_run(loaded, new, display, found[1] if found else None), json_)
    elif seeds is not None:
        train_seeds(loaded, seeds, new, json_)
    else:
        result = experiment.train(loaded, new, display) if found is None else experiment.resume(*found, loaded, display)
        _end(result, loaded, json_)


def _end(result: "RunResult", loaded: "LoadedConfig", as_json: bool) -> None:
    """Print what a training has reached, and write its page."""
    from cnncli.cli import tables

    tables.print_result(result, as_json)
    write_report(result, loaded.config.logging.report, as_json)


def _to_train(given: dict[str, Any], words: list[str] | None) -> tuple[Path | None, list[str]]:
    """The config and the overrides; raises ``ConfigError`` where options of ``train`` exclude each other."""
    if given["profile"] and (given["dry_run"] or given["resume"] is not None):
        raise ConfigError("--profile starts a new run and discards it; leave out --resume and --dry-run")
    path, overrides = split_words(words)
    check_seeds(given, overrides)
    return (needed(path) if given["resume"] is None else path), overrides


def _start(line: str, quiet: bool) -> None:
    """Say at once what is done, and import torch."""
    from cnncli.training.start import import_torch

    say_first(line, quiet)
    import_torch()


def finetune(
    ctx: typer.Context,
    pretrained: From,
    words: FinetuneWords = None,
    data: Data = None,
    weights: Weights = None,
    strategy: StrategyName = None,
    name: Name = None,
    runs_dir: RunsDir = Path("runs"),
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    nproc: Nproc = 1,
    max_restarts: MaxRestarts = 0,
    json_: Json = False,
) -> None:
    """Fine-tune a pretrained network, with a new head for new classes; without a config, with the packaged recipe."""
    from cnncli.config.yaml_source import yaml_text
    from cnncli.training.configs import load_finetune
    from cnncli.training.new_run import begun_with, new_run, parse_name
    from cnncli.training.start import begin_finetuning

    path, overrides = split_words(words)
    run_name, run_id = parse_name(name)
    named = [*overrides, f"name={yaml_text(run_name)}"] if run_name else overrides
    settings = {key: str(value) for key, value in (("weights", weights), ("strategy", strategy)) if value is not None}
    line = begin_finetuning(pretrained, path, data, settings, overrides, name, runs_dir)
    in_ranks(ctx, nproc, max_restarts, dry_run)
    _start(line, json_)
    from cnncli.cli import tables
    from cnncli.training import experiment, plan
    from cnncli.training.display import Display

    loaded = load_finetune(pretrained, path, data, settings, named, runs_dir)
    new = new_run(runs_dir, run_id, overwrite, begun_with(pretrained, settings, overrides))
    display = Display(quiet=json_)
    print_notices(loaded.notices)
    if dry_run:
        tables.print_plan(plan.dry_run(loaded, new, display), json_)
    else:
        _end(experiment.train(loaded, new, display), loaded, json_)


def inspect(
    words: Either = None,
    ckpt: Checkpoint = None,
    shape: Annotated[
        str | None,
        typer.Option("--input", metavar="C,H,W", help="The input's shape, if the data are not available."),
    ] = None,
    classes: Annotated[
        int, typer.Option("--classes", metavar="N", help="The number of classes that goes with --input.")
    ] = 10,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Measure a few steps: memory, time per epoch, and disk space of a run."),
    ] = False,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE.png", help="Draw the learning-rate schedule.")
    ] = None,
    plugin: Plugin = None,
    runs_dir: RunsDir = Path("runs"),
    json_: Json = False,
) -> None:
    """Show a network's layers: shapes, parameters, multiply-adds, memory; and what a run of a config will take."""
    from cnncli.cli import layers
    from cnncli.training.start import PREDICTOR, begin, import_torch

    ahead = plan or picture is not None  # which only a config has: no run of its name is meant
    path, trained, overrides = layers.of_config(words) if ahead else split_either(words, ckpt, runs_dir)
    output = layers.checked(ckpt, shape, plan, picture)
    if not trained:
        begin(path, overrides)
    import_torch(PREDICTOR)
    from cnncli.inference.inspect import inspect_checkpoint, inspect_config

    if trained:
        rows = inspect_checkpoint(path, overrides, plugin or [])
    else:
        rows = inspect_config(path, overrides, shape, classes, runs_dir)
    layers.show(rows, layers.look_ahead(path, overrides, runs_dir, plan, output), json_)


def list_components(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="[KIND]",
            help="KIND\tmodels, datasets, optimizers, schedulers, losses, transforms, activations, layers, tasks or "
            "loggers; or configs, those that come with cnncli. Without one: all of them.",
        ),
    ] = None,
    search: Annotated[
        str,
        typer.Argument(
            metavar="[SEARCH]",
            help="SEARCH\tOnly those with this text in name or description; models timm/… searches timm's networks.",
            show_default=False,
        ),
    ] = "",
    json_: Json = False,
) -> None:
    """List the components that a config can use, each with one line and its arguments."""
    from cnncli.cli import lists
    from cnncli.config.catalog import describe_components
    from cnncli.config.shipped import describe_configs

    if kind == "configs":
        lists.print_configs(describe_configs(search), json_)
    elif kind == "models" and search.startswith(TIMM):
        lists.print_components({"models": _timm_networks(search.removeprefix(TIMM))}, json_)
    else:
        lists.print_components(describe_components(kind, search), json_, in_short=not search)
        if kind == "models" and not json_ and (search or sys.stdout.isatty()):
            warn(f"timm's networks: cnncli list models {TIMM}{search}")


def _timm_networks(search: str) -> list[dict[str, Any]]:
    from cnncli.training.start import import_torch

    import_torch("cnncli.models")
    from cnncli.models.timm_zoo import describe_networks

    return describe_networks(search)


def config(
    words: Words = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of configs, for editors.")] = False,
) -> None:
    """Check a config and print it with every default filled in."""
    from cnncli.config.catalog import config_schema
    from cnncli.runs.run_folder import config_yaml
    from cnncli.training.configs import load_config

    if schema:
        print(json.dumps(config_schema(), indent=1))
        return
    path, overrides = split_words(words)
    loaded = load_config(needed(path), overrides, to_build=False)
    print_notices(loaded.notices)
    print_config(config_yaml(loaded.config))
