"""The range test (Smith 2015): the loss while the learning rate rises from step to step."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from cnncli.insight.checkup.bench import Bench

STOP = 4.0  # times its lowest value: the smoothed loss has diverged
MEMORY = 0.05  # of the smoothing, in parts of the test
SHORTEST = 10  # steps


@dataclass(frozen=True)
class RangeTest:
    """The rate of each step, its loss, and the smoothed losses; ``diverged`` says that the test ended early."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    diverged: bool

    @property
    def lowest(self) -> int:
        """The step with the lowest smoothed loss."""
        known = [value if math.isfinite(value) else math.inf for value in self.smoothed]
        return known.index(min(known))

    @property
    def steepest(self) -> int | None:
        """The step at which the smoothed loss falls fastest over the logarithm of the rate; None if it never falls.

        Each slope is taken over a tenth of the test. Only steps count that lie before the lowest loss, and after a
        tenth of the whole fall is done: before that the loss moves by the noise of batches.
        """
        reach, lowest = max(len(self.rates) // 20, 1), self.lowest
        start = median(self.smoothed[: max(len(self.rates) // 10, 1)])
        begun = start - 0.1 * (start - self.smoothed[lowest])
        first = next((i + 1 for i in reversed(range(lowest)) if self.smoothed[i] >= begun), 0)
        places = range(max(reach, first), min(lowest, len(self.rates) - 1 - reach) + 1)
        slopes = {i: self.smoothed[i + reach] - self.smoothed[i - reach] for i in places}
        slopes = {i: slope for i, slope in slopes.items() if math.isfinite(slope)}
        best = min(slopes, key=slopes.__getitem__, default=None)
        return best if best is not None and slopes[best] < 0 else None


def range_test(bench: Bench, low: float, high: float, steps: int) -> RangeTest:
    """Train for ``steps`` steps while the rate rises from ``low`` to ``high`` by the same factor with each step.

    The rates are those of the first parameter group; the others' keep their proportion to it. Ends where the smoothed
    loss is four times its lowest, or is not finite. The weights are put back.
    """
    rising = (high / low) ** (1 / max(steps - 1, 1))
    smoothing, smoothed = Smoothing(1 - 1 / max(MEMORY * steps, 1.0)), list[float]()

    def go_on(losses: Sequence[float]) -> bool:
        smoothed.extend(smoothing.add(loss) for loss in losses[len(smoothed) :])
        return not has_diverged(smoothed)

    losses = bench.train(steps, low / bench.rates[0], rising, go_on)
    go_on(losses)
    bench.restore()
    rates = tuple(low * rising**number for number in range(len(losses)))
    return RangeTest(rates, tuple(losses), tuple(smoothed), has_diverged(smoothed))


def has_diverged(smoothed: Sequence[float]) -> bool:
    """Whether the last smoothed loss is not finite, or far above the lowest one."""
    last = smoothed[-1]
    if not math.isfinite(last):
        return True
    return len(smoothed) >= SHORTEST and last > STOP * min(smoothed) > 0


class Smoothing:
    """An exponential mean whose first values are not drawn towards zero (as Adam's, Kingma and Ba 2014)."""

    def __init__(self, memory: float) -> None:
        self.memory, self._sum, self._weight = memory, 0.0, 0.0

    def add(self, value: float) -> float:
        """The mean with one more value."""
        self._sum = self.memory * self._sum + (1 - self.memory) * value
        self._weight = self.memory * self._weight + 1 - self.memory
        return self._sum / self._weight
