"""``doctor``: whether a run of a config will work, from short trials on a part of its data."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from cnncli.config.checking import LoadedConfig
from cnncli.core.errors import ConfigError, NothingToTrain
from cnncli.data.contract import Track
from cnncli.insight.checkup.bench import Bench, fewer_threads, open_bench
from cnncli.insight.checkup.finding import Checked, Finding
from cnncli.insight.checkup.gradients import check_gradients
from cnncli.insight.checkup.inputs import check_inputs
from cnncli.insight.checkup.labels import check_shuffled, check_targets
from cnncli.insight.checkup.loading import check_loader
from cnncli.insight.checkup.rate import check_rate
from cnncli.insight.checkup.start import check_overfit, check_start
from cnncli.insight.checkup.units import check_units


@dataclass(frozen=True)
class Checkup:
    """All checks in their order, and how long they took."""

    checks: tuple[Checked, ...]
    seconds: float

    @property
    def findings(self) -> list[Finding]:
        """Everything that is wrong."""
        return [finding for check in self.checks for finding in check.findings]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "findings": [asdict(each) for each in self.findings],
            "measured": {check.name: check.measured for check in self.checks},
            "seconds": self.seconds,
        }


def examine(loaded: LoadedConfig, track: Track) -> Checkup:
    """Check a config; raises what building its parts raises."""
    start = time.perf_counter()
    try:
        bench = open_bench(loaded, track)
    except ConfigError as error:
        if not isinstance(error.__cause__, NothingToTrain):
            raise
        frozen = Checked("gradients")
        frozen.find("model", "no parameter is trainable: all are frozen, or there are none",
                    "let some of them learn (requires_grad)")  # fmt: skip
        return Checkup((frozen,), time.perf_counter() - start)
    with fewer_threads(bench):
        checks = list(_checks(bench))
    return Checkup(tuple(checks), time.perf_counter() - start)


def _checks(bench: Bench) -> Iterator[Checked]:
    """One check after the other; those that need what an earlier one found missing are left out."""
    yield (targets := check_targets(bench))
    yield (inputs := check_inputs(bench))
    if _stops(targets, "outside") or _stops(inputs, "finite") or _stops(inputs, "no input differs"):
        return
    yield (start := check_start(bench))
    if _stops(start, "finite"):
        return
    yield check_units(bench)
    yield (gradients := check_gradients(bench, 8))
    if _stops(gradients, "depends on no"):
        return
    yield (overfit := check_overfit(bench, 15))
    if not (start.findings or gradients.findings or overfit.findings):  # what follows tells nothing before
        yield (labels := check_shuffled(bench, 40))
        if not labels.findings:
            yield check_rate(bench, 25)
    yield check_loader(bench, 8)


def _stops(checked: Checked, words: str) -> bool:
    return any(words in finding.measured for finding in checked.findings)
