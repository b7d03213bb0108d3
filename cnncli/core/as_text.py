"""Results as a few lines of text, for ``print``."""

from collections.abc import Mapping

from cnncli.core.metrics import format_metric
from cnncli.core.results import SplitReport, Values


def result_lines(title: str, metrics: Mapping[str, Values], samples: Mapping[str, int], report: SplitReport) -> str:
    """The metrics of each split and the baselines of the ``report``, below a ``title``."""
    rows = [(f"{split} ({samples[split]:,} samples)", values) for split, values in metrics.items()]
    rows += [(f"baseline: {found} on {report.split}", found.metrics) for found in report.baselines]
    sure = interval_line(report)
    return "\n".join([title, *(f"{name}: {_values(values)}" for name, values in rows), *([sure] if sure else [])])


def interval_line(report: SplitReport, judged: str = "") -> str:
    """How sure the headline is on the split (or what people call it); nothing where that is not known."""
    if report.interval is None:
        return ""
    low, high = (format_metric(report.headline, value) for value in report.interval)
    name = report.headline.replace("_", " ")
    return f"95 % interval of {name} on {judged or report.split} ({report.samples:,} samples): {low} to {high}"


def _values(values: Values) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {format_metric(name, value)}" for name, value in values.items())
