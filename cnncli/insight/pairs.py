"""Two checkpoints that were judged on the same samples, and those that were not."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnncli.core.errors import DataError
from cnncli.core.run_ids import is_operational
from cnncli.core.spec import Split
from cnncli.runs.listing import ListedRun
from cnncli.runs.outputs import Outputs, read_outputs
from cnncli.runs.run_folder import RunFolder
from cnncli.scoring.measures import Measures, measures
from cnncli.scoring.scores import SCORES, with_scores
from cnncli.scoring.units import Units, units_of


@dataclass(frozen=True, eq=False)
class Pair:
    """What two runs are judged by on the same samples in the same order, and what is resampled together."""

    first: Measures
    second: Measures
    units: Units


def has_outputs(run: ListedRun, split: Split) -> bool:
    """Whether a run has kept what it answered on a split."""
    return RunFolder(run.path).outputs(split).is_file()


def kept(run: ListedRun, split: Split) -> Outputs:
    """What a run has answered on a split; raises ``StorageError`` where the file is damaged."""
    return read_outputs(RunFolder(run.path).outputs(split))


def pair(first: ListedRun, second: ListedRun, split: Split) -> Pair:
    """Two runs side by side; raises ``DataError``, naming what differs, where they were judged on different samples."""
    ours, theirs = kept(first, split), kept(second, split)
    fault = _different(ours, theirs)
    theirs = theirs if fault else _in_order(theirs, ours.ids)
    if fault := fault or _other_targets(ours, theirs):
        raise DataError(f"{first.path} and {second.path} are no pair on {split}: {fault}; {_advice(first, second)}")
    adding = theirs.loss * theirs.weight - ours.loss * ours.weight
    return Pair(
        with_scores(measures(ours, _metrics(first, split)), ours),
        with_scores(measures(theirs, _metrics(second, split)), theirs),
        units_of(ours, adding),
    )


def judged_alike(first: Outputs, second: Outputs) -> bool:
    """Whether two runs were judged on the same samples."""
    return not (_different(first, second) or _other_targets(first, _in_order(second, first.ids)))


def alone(run: ListedRun, split: Split) -> tuple[Measures, Units]:
    """What one run is judged by, and what is resampled together."""
    found = kept(run, split)
    return with_scores(measures(found, _metrics(run, split)), found), units_of(found, found.loss * found.weight)


def scores_of(run: ListedRun, split: Split) -> dict[str, float]:
    """The further scores of a run, where it has kept outputs of the split and they have classes."""
    if not has_outputs(run, split):
        return {}
    values = alone(run, split)[0].values()
    return {name: values[name] for name in SCORES if name in values}


def _metrics(run: ListedRun, split: Split) -> dict[str, float]:
    return {key.removeprefix(f"{split}/"): value for key, value in run.outcome.metrics.items()}


def _different(ours: Outputs, theirs: Outputs) -> str:
    """In what the samples or the classes differ; nothing where they are the same."""
    if ours.classes != theirs.classes:
        other = next(
            (name for name in (*ours.classes, *theirs.classes) if (name in ours.classes) != (name in theirs.classes)),
            None,
        )
        return "their classes are in another order" if other is None else f"'{other}' is a class of one of them only"
    if ours.positive != theirs.positive:
        return f"the positive class is '{ours.positive}' and '{theirs.positive}'"
    if ours.target.shape[1:] != theirs.target.shape[1:] or ours.target.dtype.kind != theirs.target.dtype.kind:
        return f"their targets have shapes {ours.target.shape[1:]} and {theirs.target.shape[1:]}"
    only_ours, only_theirs = (np.setdiff1d(*ids) for ids in ((ours.ids, theirs.ids), (theirs.ids, ours.ids)))
    if len(only_ours) or len(only_theirs) or len(ours.ids) != len(theirs.ids):
        missing = only_ours if len(only_ours) else only_theirs
        named = f" ({missing[0]}, for example)" if len(missing) else ""
        same = len(ours.ids) - len(only_ours)
        return f"of {len(ours.ids):,} and {len(theirs.ids):,} samples {same:,} are the same{named}"
    return ""


def _other_targets(ours: Outputs, theirs: Outputs) -> str:
    """Which targets of the same samples differ; nothing where none does."""
    if not len(ours.target):
        return ""
    differs: NDArray[np.bool_]
    if ours.target.dtype.kind == "f":
        differs = ~np.isclose(ours.target, theirs.target, rtol=1e-6, equal_nan=True)
    else:
        differs = ours.target != theirs.target
    rows = np.flatnonzero(differs.reshape(len(differs), -1).any(1))
    return f"{len(rows):,} samples have another target ({ours.ids[rows[0]]}, for example)" if len(rows) else ""


def _in_order(outputs: Outputs, ids: NDArray[np.str_]) -> Outputs:
    """The same samples in the order of ``ids``."""
    if np.array_equal(outputs.ids, ids):
        return outputs
    order = np.argsort(outputs.ids, kind="stable")[np.argsort(np.argsort(ids, kind="stable"), kind="stable")]
    return outputs.at(order)


def _advice(first: ListedRun, second: ListedRun) -> str:
    """What makes them a pair: the same data, of which the same part is validation."""
    keys = [
        key
        for key in dict.fromkeys([*first.settings, *second.settings])
        if key.startswith("dataset.")
        and not is_operational(key)
        and first.settings.get(key) != second.settings.get(key)
    ]
    if not keys:
        return "the data have changed between them; train both again, or compare three seeds of each"
    return f"train both with the same {', '.join(keys)}, or compare three seeds of each"
