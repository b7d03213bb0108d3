"""The parts of a report on standard output, by their types."""

from collections.abc import Callable, Sequence
from typing import Any

from cnncli.cli.console import print_table, say, tell
from cnncli.cli.matrix import print_matrix
from cnncli.core.results import Block, FactsBlock, MatrixBlock, MistakesBlock, TableBlock

MAX_MISTAKES = 5  # all that are kept are in --json
MAX_LABELS = 20  # of a matrix; a larger one fits no screen and is in --json


def print_brief(blocks: Sequence[Block]) -> None:
    """What is shown after training, too: tables that are brief, and a confusion matrix of few classes."""
    tables = [block for block in blocks if isinstance(block, TableBlock) and block.brief]
    matrices = [block for block in blocks if isinstance(block, MatrixBlock) and len(block.labels) <= MAX_LABELS]
    print_blocks([*tables, *matrices])


def print_blocks(blocks: Sequence[Block]) -> None:
    """Every part that is for reading; curves, rates and reliability are for pictures."""
    for block in blocks:
        show = _SHOWN.get(type(block))
        if show is not None:
            show(block)


def _table(block: TableBlock) -> None:
    columns = [c for i, c in enumerate(block.columns) if any(row[i] is not None for row in block.rows)]
    chosen = [block.columns.index(column) for column in columns]
    rows = [[_cell(row[i], block.columns[i].form) for i in chosen] for row in block.rows]
    print_table(block.title, [column.heading for column in columns], rows)
    for note in block.notes:
        tell(note)


def _cell(value: Any, form: str) -> str:
    return "" if value is None else f"{value:{form}}"


def _matrix(block: MatrixBlock) -> None:
    if len(block.labels) > MAX_LABELS:
        say(f"The confusion matrix of {len(block.labels)} classes is in --json.")
    else:
        print_matrix(block)


def _facts(block: FactsBlock) -> None:
    tell(block.text)


def _mistakes(block: MistakesBlock) -> None:
    if not block.mistakes:
        return
    first = "sample" if block.mistakes[0].path is None else "file"
    rows = [
        [str(one.sample) if one.path is None else one.path, one.true, one.predicted, f"{100 * one.probability:.1f} %"]
        for one in block.mistakes[:MAX_MISTAKES]
    ]
    cut = f" ({len(rows)} of {block.total:,})" if block.total is not None and block.total > len(rows) else ""
    print_table(f"{block.title}{cut}", [first, "true", "predicted", "probability"], rows, left=3)


_SHOWN: dict[type, Callable[[Any], None]] = {
    TableBlock: _table,
    MatrixBlock: _matrix,
    FactsBlock: _facts,
    MistakesBlock: _mistakes,
}
