"""Training with several seeds: what goes with it, and the table at its end."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cnncli.cli.console import print_json, print_table, say
from cnncli.core.errors import ConfigError, TrainingError
from cnncli.core.printable import shell_word
from cnncli.runs.seed_sets import parse_seeds

if TYPE_CHECKING:
    from cnncli.config.checking import LoadedConfig
    from cnncli.training.new_run import NewRun
    from cnncli.training.seeds import SeedResults


_EXCLUDED = {"resume": None, "overwrite": False, "dry_run": False, "profile": False, "nproc": 1}


def check_seeds(given: Mapping[str, Any], overrides: Sequence[str]) -> None:
    """Raise ``ConfigError`` for what is ``given`` to ``train`` and cannot go together with ``--seeds``."""
    text, name = given["seeds"], given["name"]
    if text is None:
        return
    parse_seeds(text, first=0)
    if (option := next((option for option, unset in _EXCLUDED.items() if given[option] != unset), None)) is not None:
        raise ConfigError(f"--seeds and --{option.replace('_', '-')} exclude each other; leave one of them out")
    if (override := next((word for word in overrides if word.startswith("seed=")), None)) is not None:
        raise ConfigError(f"--seeds and {override} exclude each other; leave one of them out")
    if name is not None and "/" in name and not name.endswith("/"):
        advice = f"for a name in a group write --name {shell_word(name + '/')}"
        raise ConfigError(f"--name {shell_word(name)} fixes one folder, and --seeds makes one for each; {advice}")


def train_seeds(loaded: "LoadedConfig", text: str, new: "NewRun", as_json: bool) -> None:
    """Train with each seed, and print what they reach; raises ``TrainingError`` where some have failed."""
    from cnncli.training import seeds

    found = seeds.train_seeds(loaded, parse_seeds(text, loaded.config.seed), new, quiet=as_json)
    if as_json:
        print_json(found.to_json())
    elif found.results:
        _print(found, new)
    if found.failed:
        which = ", ".join(map(str, found.failed))
        raise TrainingError(f"no result with seed {which}: {next(iter(found.failed.values()))}")


def _print(found: "SeedResults", new: "NewRun") -> None:
    """Each seed's monitored metric and headline, then their means."""
    from cnncli.cli.runs_table import spread_text
    from cnncli.core.metrics import format_metric

    first = next(iter(found.results.values()))
    report, monitored = first.report, first.monitored.metric
    headline = f"{report.split}/{report.headline}"
    shown = list(dict.fromkeys([monitored, headline]))
    rows = []
    for seed, result in found.results.items():
        values = [result.metrics.get(name.partition("/")[0], {}).get(name.rpartition("/")[2]) for name in shown]
        cells = [
            "" if v is None else format_metric(n.rpartition("/")[2], v) for n, v in zip(shown, values, strict=True)
        ]
        rows.append([str(seed), str(result.best_epoch), *cells])
    means = found.metrics()
    if len(found.results) > 1:
        rows.append(["mean", "", *[spread_text(n, means[n]) if n in means else "" for n in shown]])
    print_table(f"{found.name}, {len(found.results)} seeds", ["seed", "best epoch", *shown], rows)
    baseline = report.baselines[0]
    value = format_metric(report.headline, baseline.metrics[report.headline])
    say(f"baseline  {value} ({baseline} on {report.split})")
    if found.running:
        say(f"running   seed {', '.join(map(str, found.running))}: trained by another process")
    say(f"look      cnncli runs {shell_word(found.name)}; tensorboard --logdir {shell_word(new.runs_dir / found.name)}")
