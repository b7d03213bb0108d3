"""What a glance at data that were opened shows, told as notices: training has them at hand, so that it costs little."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from cnncli.core.notices import notice
from cnncli.core.spec import DataSpec, Series, Split, Table
from cnncli.data.contract import Opened
from cnncli.data.sources import ArraySource, Source
from cnncli.data.table_rows import row_hashes

MOST = 50_000  # samples of a split that are looked at
NAMED = 3
WIDE = 1_000  # inputs of a row: of more it takes too long to compare all rows; data check does it
FAR = 30.0  # standard deviations of training, between its mean and a single value
DRIFT = 3.0  # standard deviations of training, between its mean and that of another split
UNBALANCED = 20.0  # times as many training samples in the largest class as in the smallest
ENOUGH = 20  # samples, below which nothing is said of how values are spread
LOST = 0.001  # of the characters
MOSTLY = 0.5  # of the rows: if fewer are different, equal ones are no copies

Sources = dict[Split, Source]


def glance(name: str, opened: Opened) -> None:
    """Tell what is worth a look in data that were opened to train on; ``name`` is that of the data set."""
    _balance(name, opened)
    look = _LOOKS.get(opened.spec.kind.name)
    if look is not None:
        look(name, opened.spec, opened.sources)


def _balance(name: str, opened: Opened) -> None:
    """Classes of one training sample, or of far fewer than others have."""
    classes, targets = opened.spec.classes, opened.sources["train"].targets
    if not classes or targets.ndim != 1:
        return
    counts = torch.bincount(targets.long(), minlength=len(classes))
    single = [repr(known) for known, count in zip(classes, counts.tolist(), strict=True) if count == 1]
    if single and len(targets) > ENOUGH:
        text = f"{len(single)} classes have one training sample only: {_some(single)}"
        notice("single_sample", f"{name}: {text}")
    ratio = float(counts.max()) / max(float(counts.min()), 1.0)
    if ratio >= UNBALANCED:
        most, least = classes[int(counts.argmax())], classes[int(counts.argmin())]
        text = f"the class '{most}' has {ratio:.0f} times as many training samples as '{least}'"
        notice("unbalanced", f"{name}: {text}; loss.class_weights: balanced makes them count alike")


def _look_at_rows(name: str, spec: DataSpec, sources: Sources) -> None:
    table = spec.require(Table, "a glance at rows")
    columns: dict[int, str] = {}
    position = 0
    for column in table.columns:
        if column.categories is None and not column.date:
            columns[position] = column.name
        position += len(column.inputs)
    rows = {split: _inputs(source) for split, source in sources.items()}
    _spread(name, {split: inputs[:, list(columns)] for split, inputs in rows.items()}, list(columns.values()))
    if spec.classes and rows["train"].shape[1] <= WIDE:
        step = -(-len(sources["train"]) // MOST)
        _conflicts(name, rows["train"], sources["train"].targets[::step])


def _look_at_series(name: str, spec: DataSpec, sources: Sources) -> None:
    columns = spec.require(Series, "a glance at windows").columns
    _spread(name, {split: _inputs(source, last=True) for split, source in sources.items()}, list(columns), far=False)


def _look_at_text(name: str, spec: DataSpec, sources: Sources) -> None:
    """Characters that are unknown: lost ones in training, those that training has not in other splits."""
    for split, source in sources.items():
        ids = _inputs(source)
        share = float((ids == 0).double().mean())
        if share > LOST:
            cause = "are U+FFFD, which stands for bytes that could not be read" if split == "train" else (
                "are characters that training has not")  # fmt: skip
            notice("unknown_characters", f"{name}: {share:.1%} of the {split} part {cause}")


def _inputs(source: Source, last: bool = False) -> Tensor:
    """Up to ``MOST`` samples of a split, spread over it; of windows the ``last`` step."""
    assert isinstance(source, ArraySource)
    inputs = source.inputs[:, -1] if last else source.inputs
    step = -(-len(source) // MOST)
    return inputs[::step] if source.rows is None else inputs[source.rows[::step]]


def _spread(name: str, parts: dict[Split, Tensor], columns: list[str], far: bool = True) -> None:
    """Columns with a value far from the others, and those that are at another level in another split."""
    train = parts["train"]
    if len(train) < ENOUGH or not columns:
        return
    mean, std = train.mean(0, dtype=torch.float64), train.double().std(0)
    changes = std > 1e-6 * mean.abs().clamp(min=1e-12)
    if far:
        ends = torch.stack([end for own in parts.values() if len(own) for end in (own.amax(0), own.amin(0))])
        most = ((ends - mean).abs() / std).amax(0)
        lone = (most > FAR) & changes
        chosen = train[:, lone]
        lone[lone.clone()] = (chosen != chosen.median(0).values).double().mean(0) > MOSTLY  # not nearly all one value
        if told := _chosen(columns, lone):
            notice("outliers", f"{name}: a value lies more than {FAR:g} deviations from the mean in {_columns(told)}")
        changes &= ~lone
    for split, own in parts.items():
        if split != "train" and len(own) >= ENOUGH:
            moved = ((own.mean(0, dtype=torch.float64) - mean) / std).abs()
            if told := _chosen(columns, (moved > DRIFT) & changes):
                text = f"the {split} part is more than {DRIFT:g} deviations from the level of training in"
                notice("drift", f"{name}: {text} {_columns(told)}")


def _chosen(columns: list[str], flags: Tensor) -> list[str]:
    return [columns[i] for i in torch.nonzero(flags).flatten().tolist()]


def _conflicts(name: str, inputs: Tensor, targets: Tensor) -> None:
    """Training rows of the same features and different classes, where rows are seldom equal by chance."""
    hashes = row_hashes(inputs, torch.zeros(len(inputs), 1))
    order = np.argsort(hashes, kind="stable")
    hashes, learned = hashes[order], targets.numpy()[order]
    same = hashes[1:] == hashes[:-1]
    if (~same).sum() + 1 < MOSTLY * len(hashes):
        return
    count = len(np.unique(hashes[1:][same & (learned[1:] != learned[:-1])]))
    if count:
        of = "group of training rows has" if count == 1 else "groups of training rows have"
        notice("conflict", f"{name}: {count:,} {of} the same features and different classes; data check names them")


def _columns(names: list[str]) -> str:
    return f"column{'s' if len(names) > 1 else ''} {_some([repr(name) for name in names])}; data check names them"


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")


_LOOKS: dict[str, Callable[[str, DataSpec, Sources], None]] = {
    "rows": _look_at_rows, "series": _look_at_series, "text": _look_at_text,
}  # fmt: skip
