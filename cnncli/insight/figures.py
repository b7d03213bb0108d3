"""How the figures of a comparison are written: values with their spread, differences, and what p-values say."""

from cnncli.core.metrics import format_metric
from cnncli.insight.comparison import Compared, Comparison, Needed, Summary, Test
from cnncli.scoring.measures import POINTS

PERCENT = ("accuracy", "balanced_accuracy")  # that are written so everywhere
LEAST = 0.0001


def shown(name: str, summary: Summary) -> str:
    """A mean, and the standard deviation where there are several runs."""
    mean = format_metric(name, summary.mean)
    if summary.deviation is None:
        return mean
    if name in PERCENT:
        return f"{mean.removesuffix(' %')} ± {100 * summary.deviation:.2f} %"
    return f"{mean} ± {_plain(summary.deviation)}"


def difference(name: str, value: float) -> str:
    """A difference with its sign: of fractions in points (hundredths)."""
    return f"{_signed(name, value)}{' points' if name in POINTS else ''}"


def interval(name: str, low: float, high: float) -> str:
    """The ends of an interval of differences."""
    return f"{_signed(name, low)} to {_signed(name, high)}"


def size(name: str, value: float) -> str:
    """The size of a difference, in words."""
    if name not in POINTS:
        return _plain(value)
    points = f"{100 * value:.3g}"
    return f"{points} point{'' if points == '1' else 's'}"


def p_value(p: float | None) -> str:
    """A p-value with as many digits as it is worth."""
    if p is None:
        return "–"
    if p < LEAST:
        return f"< {LEAST}"
    return f"{p:.4f}" if p < 0.01 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def verdicts(found: Comparison) -> list[str]:
    """The answer to each comparison, by the headline; why there is no test is told once."""
    whys = dict.fromkeys(each.why_none for each in found.compared if each.why_none)
    told = [f"No test against {found.rows[0].argument}: {why}." for why in whys]
    return [*(_verdict(found, each) for each in found.compared if not each.why_none), *told]


def _verdict(found: Comparison, compared: Compared) -> str:
    name, test = found.headline.replace("_", " "), compared.tests.get(found.headline)
    if test is None or test.p is None:
        return f"{compared.argument} against {compared.against}: no test of {name}; the other metrics have one."
    told = (f"{name} {difference(found.headline, test.difference)}, 95 % interval "
            f"{interval(found.headline, test.low, test.high)}, {_p_told(test)}; {_how(test, compared)}")  # fmt: skip
    if test.answer == "not distinguishable":
        more = _needed(found, compared) if compared.needed else ""
        return f"{compared.argument} is not distinguishable from {compared.against} ({told}).{more}"
    return f"{compared.argument} is {test.answer} than {compared.against} ({told})."


def _p_told(test: Test) -> str:
    p = p_value(test.p_holm)
    told = f"p {p}" if p.startswith("<") else f"p = {p}"
    return told if test.p_holm == test.p else f"{told} after Holm's correction"


def _how(test: Test, compared: Compared) -> str:
    first, second = compared.counts
    if compared.unit == "seeds":
        return f"{test.method}, {second} against {first}"
    return f"{test.method}, {first:,} {compared.unit}" if "over" not in test.method else f"{test.method}, {first:,}"


def _needed(found: Comparison, compared: Compared) -> str:
    needed: Needed | None = compared.needed
    assert needed is not None
    each = " of each" if needed.unit == "seeds" else ""
    told = f" A difference of {size(found.headline, needed.difference)} is found in 80 % of all cases with about "
    told += f"{needed.count:,} {needed.unit}{each}"
    if compared.found_with_these:
        told += f"; with those that are here, one of {size(found.headline, compared.found_with_these)}"
    return f"{told}."


def _signed(name: str, value: float) -> str:
    if name in POINTS:
        return f"{100 * value:+.2f}"
    return f"{value:+.4f}" if abs(value) < 10 else f"{value:+.5g}"


def _plain(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.5g}"
