"""Results as HTML, for notebooks: tables of plain values."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from cnncli.core.as_text import interval_line
from cnncli.core.metrics import format_metric
from cnncli.core.results import Block, FactsBlock, MatrixBlock, SplitReport, TableBlock, Values

MAX_LABELS = 20  # of a matrix; a larger one fits no page
_CELL = 'style="text-align: {}; padding: 0.15em 0.6em"'


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "", left: int = 1) -> str:
    """A table whose first ``left`` columns hold words, the others numbers."""
    sides = ["left" if number < left else "right" for number in range(len(columns))]

    def line(tag: str, cells: Sequence[Any]) -> str:
        made = [f"<{tag} {_CELL.format(side)}>{_text(c)}</{tag}>" for c, side in zip(cells, sides, strict=True)]
        return f"<tr>{''.join(made)}</tr>"

    title = f"<caption style='text-align: left'><b>{escape(caption)}</b></caption>" if caption else ""
    body = "".join(line("td", row) for row in rows)
    return f"<table>{title}<thead>{line('th', columns)}</thead><tbody>{body}</tbody></table>"


def _text(cell: Any) -> str:
    return escape("" if cell is None else f"{cell:,}" if type(cell) is int else str(cell))


def metrics_table(metrics: Mapping[str, Values], samples: Mapping[str, int], caption: str = "") -> str:
    """A row for each split."""
    names = list(dict.fromkeys(name for values in metrics.values() for name in values))
    rows = [
        [split, samples[split], *(format_metric(name, values[name]) if name in values else None for name in names)]
        for split, values in metrics.items()
    ]
    return table(["split", "samples", *names], rows, caption)


def report_html(report: SplitReport) -> str:
    """The baselines of a report and all its parts that are for reading."""
    rows = [[str(each), format_metric(report.headline, each.metrics[report.headline])] for each in report.baselines]
    baselines = table([f"baseline on {report.split}", report.headline], rows)
    sure = interval_line(report)
    return baselines + (f"<p>{escape(sure)}</p>" if sure else "") + "".join(map(_block, report.blocks))


def _block(block: Block) -> str:
    if isinstance(block, FactsBlock):
        return f"<p>{escape(block.text)}</p>"
    if isinstance(block, MatrixBlock) and len(block.labels) <= MAX_LABELS:
        rows = [[label, *row] for label, row in zip(block.labels, block.counts, strict=True)]
        return table(["", *block.labels], rows, block.title)
    return _table(block) if isinstance(block, TableBlock) else ""


def _table(block: TableBlock) -> str:
    shown = [n for n in range(len(block.columns)) if any(row[n] is not None for row in block.rows)]
    forms = [block.columns[n].form for n in shown]
    rows = [
        [None if row[n] is None else f"{row[n]:{form}}" for n, form in zip(shown, forms, strict=True)]
        for row in block.rows
    ]
    notes = "".join(f"<p>{escape(note)}</p>" for note in block.notes)
    return table([block.columns[n].heading for n in shown], rows, block.title) + notes
