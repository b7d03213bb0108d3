"""``lr-find``: a learning rate for a config, from a range test, and its picture."""

import io
from dataclasses import dataclass
from typing import Any

from cnncli.config.checking import LoadedConfig
from cnncli.config.sections import Config
from cnncli.core.errors import ConfigError, Fault, TrainingError
from cnncli.core.printable import shell_word
from cnncli.data.contract import Track
from cnncli.insight.checkup.bench import MOST, open_bench
from cnncli.insight.checkup.range_test import RangeTest, range_test
from cnncli.runs.fonts import lettering
from cnncli.runs.panels import ACCENT, INK, MUTED

WITHOUT = {
    "lbfgs": "asks for the loss several times a step, and its lr is the length of a line search",
    "rprop": "takes steps of its own size; its lr is only the size of the first",
}
RATES = (("optimizer", "lr"), ("optimizer", "adam_lr"), ("scheduler", "max_lr"), ("scheduler", "base_lr"))
WIDTH, HEIGHT, DPI = 7.5, 3.6, 120


@dataclass(frozen=True)
class Found:
    """A range test, the rate of the config and the one that the test suggests, and what to write for it."""

    test: RangeTest
    lr: float
    suggestion: float | None
    settings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values; losses that are no numbers are null."""
        return {
            "suggestion": self.suggestion,
            "settings": list(self.settings),
            "lr": self.lr,
            "lowest": self.test.rates[self.test.lowest],
            "diverged_at": self.test.rates[-1] if self.test.diverged else None,
            "rates": list(self.test.rates),
            "losses": list(self.test.losses),
            "smoothed": list(self.test.smoothed),
        }

    @property
    def words(self) -> str:
        """The settings as they stand on a command line."""
        return " ".join(map(shell_word, self.settings))


def find_rate(loaded: LoadedConfig, track: Track, low: float, high: float, steps: int) -> Found:
    """Test rates from ``low`` to ``high``; raises ``ConfigError`` where the optimizer has none that can be tested.

    Raises ``TrainingError`` where the first loss is not a number.
    """
    config = loaded.config
    _check(loaded)
    samples = max(steps * config.train.accumulate * config.dataset.batch_size, MOST)
    bench = open_bench(loaded, track, samples)
    if not bench.rates[0] > 0:
        raise loaded.located(ConfigError(Fault("", "optimizer.lr", "is 0; set any rate above 0, as 1e-3")))
    test = range_test(bench, low, high, steps)
    if len(test.losses) < 2:
        raise TrainingError(f"the first loss is {test.losses[0]}; cnncli doctor looks for the cause")
    place = test.steepest
    rate = None if place is None else float(f"{test.rates[place]:.2g}")
    return Found(test, bench.rates[0], rate, () if rate is None else settings(config, rate / bench.rates[0]))


def _check(loaded: LoadedConfig) -> None:
    optimizer = loaded.config.optimizer
    why = WITHOUT.get(optimizer.name)
    if why is None and "lr" not in optimizer.args:
        why = "has no lr"
    if why is not None:
        cause = f"{optimizer.name} {why}; set optimizer.name to another, as sgd or adam"
        raise loaded.located(ConfigError(Fault("", "optimizer.name", cause)))


def settings(config: Config, factor: float) -> tuple[str, ...]:
    """``key=value`` for every rate that the config has, each times ``factor``."""
    given = [(f"{section}.{key}", getattr(config, section).args.get(key)) for section, key in RATES]
    if config.finetune is not None:
        given.append(("finetune.backbone_lr", config.finetune.backbone_lr))
    return tuple(f"{key}={float(value) * factor:.2g}" for key, value in given if value is not None)


def drawn(found: Found) -> bytes:
    """A PNG: the loss over the rate, with the config's rate and the suggestion."""
    from matplotlib.figure import Figure

    test = found.test
    content = io.BytesIO()
    with lettering():
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", color="#eeeeee")
        axes.plot(test.rates, test.losses, color=INK, alpha=0.3, linewidth=1, label="single steps")
        axes.plot(test.rates, test.smoothed, color=INK, label="smoothed")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda rate, _: f"{rate:g}")  # the labels are plain text: no powers
        axes.xaxis.set_minor_formatter(lambda rate, _: "")
        low, high = min(test.smoothed), max(test.smoothed[: test.lowest + 1])
        axes.set_ylim(low - 0.1 * (high - low), high + 0.5 * (high - low))
        axes.axvline(found.lr, color=MUTED, linestyle=":", label=f"the config's rate ({found.lr:.2g})")
        if found.suggestion is not None:
            axes.axvline(found.suggestion, color=ACCENT, label=f"steepest fall ({found.suggestion:.2g})")
        axes.set(xlabel="learning rate", ylabel="training loss", title="Range test")
        axes.legend(frameon=False, fontsize=8)
        figure.savefig(content, format="png", dpi=DPI)
    return content.getvalue()
