"""What an evaluation found, as typed parts. Whoever shows them (terminal, picture, JSON) knows their types only."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from cnncli.core.baseline import Baseline as Baseline
from cnncli.core.baseline import Values as Values
from cnncli.core.baseline import in_order as in_order
from cnncli.core.intervals import wilson
from cnncli.core.spec import Split

_PLAIN = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_PLAIN)
class Column:
    """A column of a table: its key in JSON, its heading for people, and the form of its numbers."""

    key: str
    heading: str
    form: str = ""


@dataclass(frozen=True, config=_PLAIN)
class TableBlock:
    """Rows under columns; a cell that is None is left out of JSON.

    In JSON the rows are ``records`` (in ``rows`` where there are ``facts``), or objects by the name in their first
    column, or lists by column, with ``facts`` beside them. ``notes`` are sentences below the table; a ``brief`` one is
    shown after training, too.
    """

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    shape: Literal["records", "by_name", "by_column"] = "records"
    facts: dict[str, Any] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    brief: bool = False
    type: Literal["table"] = "table"

    def to_json(self) -> dict[str, Any]:
        """``{key: …}``."""
        records = [
            {column.key: cell for column, cell in zip(self.columns, row, strict=True) if cell is not None}
            for row in self.rows
        ]
        first = self.columns[0].key
        if self.shape == "by_name":
            return {self.key: {record.pop(first): record for record in records}}
        if self.shape == "by_column":
            lists = {column.key: [record[column.key] for record in records] for column in self.columns[1:]}
            return {self.key: {**self.facts, **lists}}
        return {self.key: {**self.facts, "rows": records} if self.facts else records}


@dataclass(frozen=True, config=_PLAIN)
class MatrixBlock:
    """Counts ``[K][K]`` under the same labels on both sides."""

    key: str
    title: str
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    type: Literal["matrix"] = "matrix"

    def to_json(self) -> dict[str, Any]:
        """``{key: [[…], …]}``."""
        return {self.key: [list(row) for row in self.counts]}


@dataclass(frozen=True, config=_PLAIN)
class CurveBlock:
    """A curve ``y`` over ``x``, each with its key in JSON; ``diagonal``: beside the line that guessing gives."""

    key: str
    x_key: str
    y_key: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    diagonal: bool = False
    title: str = ""
    type: Literal["curve"] = "curve"

    def to_json(self) -> dict[str, Any]:
        """``{key: {x_key: […], y_key: […]}}``."""
        return {self.key: {self.x_key: list(self.x), self.y_key: list(self.y)}}


@dataclass(frozen=True, config=_PLAIN)
class ScatterBlock:
    """Predicted against true values of one target."""

    key: str
    target: str
    true: tuple[float, ...]
    predicted: tuple[float, ...]
    type: Literal["scatter"] = "scatter"

    def to_json(self) -> dict[str, Any]:
        """``{key: {target, true, predicted}}``."""
        return {self.key: {"target": self.target, "true": list(self.true), "predicted": list(self.predicted)}}


@dataclass(frozen=True, config=_PLAIN)
class Line:
    """Values at consecutive steps, of which the first is number ``start`` (from 1)."""

    key: str
    label: str
    values: tuple[float, ...]
    start: int = 1


@dataclass(frozen=True, config=_PLAIN)
class LinesBlock:
    """Lines over the same steps, the first of them the truth."""

    key: str
    target: str
    steps: str  # what a step is
    lines: tuple[Line, ...]
    type: Literal["lines"] = "lines"

    def to_json(self) -> dict[str, Any]:
        """``{key: {target, <line>: […], …}}``."""
        return {self.key: {"target": self.target, **{line.key: list(line.values) for line in self.lines}}}


@dataclass(frozen=True, config=_PLAIN)
class FactsBlock:
    """Single values, and the sentence that tells them; without a ``key`` they stand by themselves in JSON."""

    values: dict[str, Any]
    text: str
    key: str | None = None
    type: Literal["facts"] = "facts"

    def to_json(self) -> dict[str, Any]:
        """``{key: {…}}``, or the values alone."""
        return {self.key: dict(self.values)} if self.key else dict(self.values)


@dataclass(frozen=True, config=_PLAIN)
class Rate:
    """Of each label, how often something was counted out of how many; ``key`` in JSON, ``heading`` for people."""

    key: str
    heading: str
    hits: tuple[int, ...]
    of: tuple[int, ...]


@dataclass(frozen=True, config=_PLAIN)
class RatesBlock:
    """Rates of the same labels, each with its 95 % interval."""

    key: str
    labels: tuple[str, ...]
    rates: tuple[Rate, ...]
    type: Literal["rates"] = "rates"

    def to_json(self) -> dict[str, Any]:
        """``{key: {label: {rate: [low, high]}}}``, without what was counted out of nothing."""
        return {
            self.key: {
                label: {rate.key: list(wilson(rate.hits[i], rate.of[i])) for rate in self.rates if rate.of[i]}
                for i, label in enumerate(self.labels)
            }
        }


@dataclass(frozen=True, config=_PLAIN)
class ReliabilityBlock:
    """Whether probabilities mean what they say: of samples with about the same ``probability``, how many it was true.

    Each entry is a bin: mean probability, true ``hits``, ``samples``. ``event`` says what was true.
    """

    key: str
    event: str
    probability: tuple[float, ...]
    hits: tuple[int, ...]
    samples: tuple[int, ...]
    type: Literal["reliability"] = "reliability"

    def to_json(self) -> dict[str, Any]:
        """``{key: {probability: […], frequency: […], samples: […]}}``."""
        frequency = [hits / samples for hits, samples in zip(self.hits, self.samples, strict=True)]
        lists = {"probability": list(self.probability), "frequency": frequency, "samples": list(self.samples)}
        return {self.key: lists}


@dataclass(frozen=True, config=_PLAIN)
class Mistake:
    """A sample of the split (its number from 0, and its file if it has one) with its true and its predicted class."""

    sample: int
    true: str
    predicted: str
    probability: float  # of the predicted class
    path: str | None = None


@dataclass(frozen=True, config=_PLAIN)
class MistakesBlock:
    """Some wrong answers, the most confident first; ``total``: of how many, where that is known."""

    key: str
    title: str
    mistakes: tuple[Mistake, ...]
    total: int | None = None
    type: Literal["mistakes"] = "mistakes"

    def to_json(self) -> dict[str, Any]:
        """``{key: [{sample, true, predicted, probability, path}]}``."""
        found = [
            {"sample": one.sample, "true": one.true, "predicted": one.predicted, "probability": one.probability}
            | ({} if one.path is None else {"path": one.path})
            for one in self.mistakes
        ]
        return {self.key: found}


Block = Annotated[
    TableBlock | MatrixBlock | CurveBlock | ScatterBlock | LinesBlock | FactsBlock | RatesBlock | ReliabilityBlock
    | MistakesBlock,
    Field(discriminator="type"),
]  # fmt: skip


@dataclass(frozen=True, config=_PLAIN)
class SplitReport:
    """One look at a split of ``samples``: metrics, the baselines (the one to beat first), and what else there is.

    ``headline`` is the metric that is compared with the baselines', ``interval`` its 95 % interval, where it is known.
    """

    split: Split
    samples: int
    metrics: Values
    headline: str
    lower_is_better: bool
    baselines: tuple[Baseline, ...]
    blocks: tuple[Block, ...] = ()
    interval: tuple[float, float] | None = None

    def beside(self, fitted: Sequence[Baseline]) -> "SplitReport":
        """The same with ``fitted`` baselines beside its own."""
        found = in_order([*self.baselines, *fitted], self.headline, self.lower_is_better)
        return replace(self, baselines=tuple(found))

    @property
    def beats_baseline(self) -> bool:
        """Whether the network is better than what needs none."""
        reached, to_beat = self.metrics[self.headline], self.baselines[0].metrics[self.headline]
        return reached < to_beat if self.lower_is_better else reached > to_beat

    @property
    def simple_loss(self) -> float | None:
        """The loss of the best of the simplest baselines, where one has it: what a network has that learned nothing."""
        simple = (baseline.metrics for baseline in self.baselines if baseline.seconds is None)
        return next((metrics["loss"] for metrics in simple if "loss" in metrics), None)

    @property
    def perfect_baseline(self) -> bool:
        """Whether the baseline to beat makes no error, so that there is nothing to beat."""
        return self.lower_is_better and self.baselines[0].metrics[self.headline] == 0

    def to_json(self) -> dict[str, Any]:
        """All but the metrics, as docs/json.md lists it."""
        found: dict[str, Any] = {
            "split": self.split,
            "headline": {"metric": self.headline, "lower_is_better": self.lower_is_better},
            "baseline": self.baselines[0].to_json(),
            "baselines": [baseline.to_json() for baseline in self.baselines],
            "beats_baseline": self.beats_baseline,
        }
        if self.interval is not None:
            found["interval"] = list(self.interval)
        for block in self.blocks:
            found |= block.to_json()
        return found
