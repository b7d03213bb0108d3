"""The page of several runs: the comparison, and each run's curves."""

from collections.abc import Sequence

from cnncli.core.metrics import format_metric
from cnncli.insight.comparison import Comparison
from cnncli.insight.figures import difference, interval, p_value, shown, verdicts
from cnncli.insight.picture import figure_of
from cnncli.report.drawing import draw
from cnncli.report.page import training_parts
from cnncli.report.parts import SPLITS, Page, Part, Prose, Section, Sheet
from cnncli.report.told import Told

MOST_CURVES = 12  # runs whose curves are drawn


def comparison_page(found: Comparison, told: Sequence[Told]) -> Page:
    """The runs side by side; ``told`` are those of all rows, one after the other."""
    names = [row.argument for row in found.rows]
    sections = [
        Section("result", "Results side by side", tuple(_results(found))),
        Section("differs", "What differs in the configs", tuple(_differs(found))),
        Section("tests", "Whether they really differ", tuple(_tests(found))),
        Section("training", "Training", tuple(_curves(told))),
    ]
    samples = f", {found.samples:,} samples" if found.samples else ""
    return Page(
        title=f"{', '.join(names[:-1])} and {names[-1]}",
        subtitle=f"{SPLITS.get(found.split, found.split)} split{samples}",
        figure=None,
        lead=(*verdicts(found), *found.notes),
        sections=tuple(section for section in sections if section.parts),
    )


def _results(found: Comparison) -> list[Part]:
    """The metrics of each row, those of the baselines, and the picture of the one that decides."""
    rows = [
        (
            row.argument,
            str(len(row.runs)),
            *(shown(m, row.metrics[m]) if m in row.metrics else "" for m in found.metrics),
        )
        for row in found.rows
    ]
    empty = ("",) * (len(found.metrics) - 1)
    for name, value in found.rows[0].baselines:
        told = name if name == "baseline" else f"baseline: {name}"
        rows.append((told, "", format_metric(found.headline, value), *empty))
    columns = ("", "runs", *(name.replace("_", " ") for name in found.metrics))
    title = f"{found.headline.replace('_', ' ')} with 95 % intervals"
    parts: list[Part] = [
        Sheet("Metrics", columns, tuple(rows)),
        draw(title, lambda: figure_of(found), "compared", wide=True),
    ]
    if found.scores:
        scores = tuple((row.argument, *(shown(name, row.metrics[name]) for name in found.scores)) for row in found.rows)
        parts.append(Sheet("Further scores", ("", *(name.replace("_", " ") for name in found.scores)), scores))
    return parts


def _differs(found: Comparison) -> list[Part]:
    if not found.differs:
        return [Prose(("Their configs say the same but for the seed.",))]
    columns = ("key", *(row.argument for row in found.rows))
    rows = tuple((key, *values) for key, values in found.differs.items())
    return [Sheet("Settings", columns, rows, left=len(columns))]


def _tests(found: Comparison) -> list[Part]:
    rows = tuple(
        (each.argument, name.replace("_", " "), test.answer or "no test", difference(name, test.difference),
         interval(name, test.low, test.high), p_value(test.p_holm), test.method)
        for each in found.compared
        for name in found.metrics
        if (test := each.tests.get(name)) is not None
    )  # fmt: skip
    if not rows:
        return []
    columns = ("", "metric", "answer", "difference", "95 % interval", "p", "method")
    return [Sheet(f"Against {found.rows[0].argument}", columns, rows, left=3)]


def _curves(told: Sequence[Told]) -> list[Part]:
    parts: list[Part] = []
    for number, one in enumerate(told[:MOST_CURVES]):
        kept = one.result.monitored
        told_of = f"{one.name}: the best {kept.metric} is {format_metric(kept.metric.rpartition('/')[2], kept.value)}"
        parts += [Prose((f"{told_of}, in epoch {one.result.best_epoch}.",)), *training_parts(one, f"curves{number}")]
    return parts
