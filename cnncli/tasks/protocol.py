"""What the loop and the reports ask of a task. They never ask which one it is."""

from dataclasses import asdict
from itertools import compress
from typing import Any, ClassVar, Protocol, Self

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor

from cnncli.core.registry import tasks
from cnncli.core.results import Baseline, Block, Values
from cnncli.core.spec import Wants
from cnncli.core.targets import Shares

Targets = Tensor | Shares
"""Of each sample its class, numbers or characters; of mixed samples the share of each class."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class Calibration:
    """What a task has chosen on the validation part: part of the checkpoint. Nothing, for most tasks."""

    def for_views(self) -> Self:
        """What is left of it where the answers are means over several views of a sample."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """Plain types only."""
        return asdict(self)


@dataclass(frozen=True, config=ConfigDict(arbitrary_types_allowed=True))
class Naming:
    """The probability of each class, float32 ``[N, K]`` on the CPU, and which classes are named, bool ``[N, K]``."""

    probabilities: Tensor
    chosen: Tensor

    def names(self, classes: tuple[str, ...]) -> list[str]:
        """The class of each sample; where several are named, all of them, joined by ``|``."""
        return ["|".join(compress(classes, row)) for row in self.chosen.tolist()]


@dataclass(frozen=True, config=ConfigDict(arbitrary_types_allowed=True))
class Answers:
    """Targets and the network's answers to them as people have them, on the CPU.

    Class numbers int64 ``[N]`` or labels bool ``[N, K]`` and probabilities float32 ``[N, K]``, or ``[N]`` of the
    ``positive`` class; or numbers in their own unit, float64 ``[N, …]`` both, with the ``names`` of what they are. A
    class is named from its threshold on.
    """

    target: Tensor
    answer: Tensor
    positive: str | None = None
    thresholds: tuple[float, ...] = ()
    names: tuple[str, ...] = ()


class Meter(Protocol):
    """Sums and counts of an epoch, divided once at its end; nothing waits for the device before ``compute``."""

    samples: int

    def update(self, loss: Tensor, weight: Tensor | int, outputs: Tensor, targets: Any) -> None:
        """Add a batch: its mean loss, what that mean was divided by, the network's answer, the targets."""

    def running(self) -> Values:
        """What the progress bar shows: cheap, and defined for any part of an epoch."""

    def compute(self) -> Values:
        """Every metric, averaged over samples."""

    def totals(self) -> list[Tensor]:
        """What adds up where several processes have seen a part of the samples each."""

    def rows(self) -> list[Any]:
        """What is kept of each sample (``Kept``), in their order."""

    def state_dict(self) -> dict[str, Any]:
        """The sums so far, for an epoch that is interrupted and resumed."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict``'s sums."""


class Task(Protocol):
    """Loss, metrics, baselines, and what is calibrated. Made from a spec, a loss section, the device and arguments."""

    wants: ClassVar[Wants]
    output_shape: ClassVar[tuple[int, ...] | None]  # of the network's answer, where the data do not tell
    train_metrics: ClassVar[tuple[str, ...]]
    metrics: ClassVar[tuple[str, ...]]  # of validation and test
    headline: ClassVar[str]  # the one beside the loss in a line, and the one that is compared with the baseline
    lower_is_better: ClassVar[frozenset[str]]
    calibration_type: ClassVar[type[Calibration]]
    needs_validation: bool  # whether something must be chosen on the validation part
    metrics_need_calibration: bool  # whether the metrics depend on what is chosen: then it is, in every epoch

    def fit(self, targets: Tensor) -> None:
        """Take in the targets of the training part, for class weights and baselines; before ``loss``."""

    def loss(self, outputs: Tensor, targets: Any) -> Tensor:
        """The mean training loss of a batch."""

    def weight(self, targets: Any) -> Tensor | int:
        """What the training loss of a batch was divided by."""

    def eval_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of a batch without what only training uses (label smoothing, class weights)."""

    def meter(self, detailed: bool = False) -> Meter:
        """A fresh accumulator; with ``detailed`` of all metrics, else of the train metrics."""

    @property
    def calibration(self) -> Calibration:
        """What was chosen on validation last."""

    def calibrate(self, meter: Any) -> None:
        """Choose thresholds, intervals, … on the validation part, from its detailed meter."""

    def use(self, calibration: Any) -> None:
        """Take what was chosen before; raises ``ValueError`` where it does not belong to data of this spec."""

    def baselines(self, targets: Tensor, inputs: Tensor | None) -> list[Baseline]:
        """The metrics of forecasts that need no network, on a split, in any order; after ``fit``."""

    def blocks(self, meter: Any) -> list[Block]:
        """What a report adds to the metrics, from a detailed meter."""

    def answers(self, outputs: Tensor, targets: Tensor) -> Answers | None:
        """What is kept of a run's answers; None where that would be too much, as of text."""

    def naming(self, outputs: Tensor) -> Naming | None:
        """The classes that the network's answers name; None where there are none to name."""

    def exported(self, outputs: Tensor) -> dict[str, Tensor]:
        """What an exported network gives, by name: computed from tensors alone, so that it can be a part of its graph."""

    def predictions(self, outputs: Tensor) -> dict[str, list[Any]]:
        """Columns for people: ``prediction``, ``probability_…``; one value a sample."""


tasks.demand(Task)
