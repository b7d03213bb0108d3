"""What the loop and the reports ask of a task. They never ask which one it is."""

from typing import Any, ClassVar, Protocol

from torch import Tensor

from cnncli.core.registry import tasks
from cnncli.core.spec import Wants

Values = dict[str, float]


class Meter(Protocol):
    """Sums and counts of an epoch, divided once at its end; nothing waits for the device before ``compute``."""

    samples: int

    def update(self, loss: Tensor, weight: Tensor | int, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch: its mean loss, what that mean was divided by, the network's answer, the targets."""

    def running(self) -> Values:
        """What the progress bar shows: cheap, and defined for any part of an epoch."""

    def compute(self) -> Values:
        """Every metric, averaged over samples."""

    def state_dict(self) -> dict[str, Any]:
        """The sums so far, for an epoch that is interrupted and resumed."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict``'s sums."""


class Task(Protocol):
    """Loss, metrics, baselines and decoding."""

    wants: ClassVar[Wants]
    unit: str  # of the speed: images, rows, windows, characters
    output_shape: ClassVar[tuple[int, ...] | None]  # of the network's answer, where the data do not tell
    train_metrics: ClassVar[tuple[str, ...]]
    metrics: ClassVar[tuple[str, ...]]  # of validation and test
    headline: ClassVar[str]  # the one beside the loss in a line, and the one that is compared with the baseline
    lower_is_better: ClassVar[frozenset[str]]
    needs_validation: bool  # whether part of the decoding is chosen on the validation part
    decoding: dict[str, Any]  # what was chosen on validation, in plain types: part of the checkpoint

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean training loss of a batch."""

    def weight(self, targets: Tensor) -> Tensor | int:
        """What the training loss of a batch was divided by."""

    def eval_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of a batch without what only training uses (label smoothing, class weights)."""

    def meter(self, detailed: bool = False) -> Meter:
        """A fresh accumulator; with ``detailed`` of all metrics, else of the train metrics."""

    def fit_decoding(self, meter: Any) -> None:
        """Choose thresholds, intervals, … on the validation part, from its detailed meter."""

    def baselines(self, targets: Tensor, inputs: Tensor | None) -> list[dict[str, Any]]:
        """``{name, metric: value, …}`` of forecasts that need no network, on a split, in any order."""

    def details(self, meter: Any) -> dict[str, Any]:
        """What a report adds to the metrics, in plain types."""

    def predictions(self, outputs: Tensor) -> dict[str, list[Any]]:
        """Columns for people: ``prediction``, ``probability_…``; one value a sample."""


tasks.demand(Task)
