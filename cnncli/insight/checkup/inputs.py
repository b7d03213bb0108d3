"""Whether the inputs have a scale that networks learn from, and differ at all."""

import torch
from torch import Tensor

from cnncli.insight.checkup.bench import Bench
from cnncli.insight.checkup.finding import Checked, number, some

SMALLEST, LARGEST = 0.4, 2.5  # standard deviation; pixels from 0 to 1 have 0.2 to 0.38, from -1 to 1 twice as much
FARTHEST = 1.0  # mean, in standard deviations of 1 or more
BLANK = 0.01  # of the pictures


def check_inputs(bench: Bench) -> Checked:
    """Mean and standard deviation of the inputs, by column or channel, as the network gets them."""
    found, spec = Checked("inputs"), bench.experiment.data.spec
    if spec.kind.dtype != "float32":
        found.measured = "not numbers"
        return found
    loader = bench.experiment.data.loader("train", bench.device, embedded=False)
    inputs = torch.cat([batch for batch, _ in loader.epoch(0)]).float()
    if not bool(inputs.isfinite().all()):
        found.find("dataset", f"{int((~inputs.isfinite()).flatten(1).any(1).sum()):,} of {len(inputs):,} samples hold "
                   "values that are no finite numbers", "remove or replace them (cnncli data check)")  # fmt: skip
        return found
    _check_constant(bench, found, inputs)
    _check_scale(bench, found, inputs)
    return found


def names_of(bench: Bench, inputs: Tensor) -> list[str]:
    """What each column or channel is called."""
    preprocess = bench.experiment.data.spec.preprocess
    if inputs.ndim == 4:
        return [f"channel {number_}" for number_ in range(inputs.shape[1])]
    columns = [each if isinstance(each, str) else each.name for each in getattr(preprocess, "columns", ())]
    wide = [name for each in getattr(preprocess, "columns", ()) if not isinstance(each, str)
            for name in [each.name] * len(each.inputs)]  # fmt: skip
    found = wide or columns
    if len(found) == inputs.shape[-1]:
        return found
    return [f"column {number_ + 1}" for number_ in range(inputs.shape[-1])]


def by_unit(inputs: Tensor) -> Tensor:
    """All values of each column or channel, ``[units, values]``."""
    axis = 1 if inputs.ndim == 4 else inputs.ndim - 1
    return inputs.movedim(axis, 0).reshape(inputs.shape[axis], -1)


def _check_constant(bench: Bench, found: Checked, inputs: Tensor) -> None:
    values, names = by_unit(inputs), names_of(bench, inputs)
    low, high = values.amin(1), values.amax(1)
    same = [name for name, lowest, highest in zip(names, low.tolist(), high.tolist(), strict=True) if lowest == highest]
    dropped = [each.name for each in getattr(bench.experiment.data.spec.preprocess, "constants", ())]
    if same and len(bench.whole.sources["train"]) > len(inputs) and inputs.ndim == 2:
        same = []  # a rare category may be missing among some of the rows
    if len(same) == len(names):
        found.find("dataset", "no input differs between samples", "correct the data, or dataset.normalize")
    elif same or dropped:
        told = f"{some([*dropped, *same])} {'has' if len(dropped + same) == 1 else 'have'} one value in all samples"
        found.find("dataset", told, "correct the data, or leave the column out")
    if len(inputs) > 1 and bool((inputs == inputs[:1]).all()) and len(same) < len(names):
        found.find("dataset", f"all of {len(inputs):,} samples that were looked at are the same", "correct the data")
    if inputs.ndim == 4:
        flat = inputs.flatten(2)
        blank = int((flat.amax(2) == flat.amin(2)).all(1).sum())
        if blank > BLANK * len(inputs) and len(same) < len(names):
            found.find("dataset", f"{blank:,} of {len(inputs):,} pictures have one colour",
                       "look at them (cnncli data show) and remove them")  # fmt: skip


def _check_scale(bench: Bench, found: Checked, inputs: Tensor) -> None:
    values, names = by_unit(inputs), names_of(bench, inputs)
    means, stds = values.mean(1), values.std(1)
    is_two = ((values == 0) | (values == 1)).all(1) & torch.tensor(inputs.ndim < 4)  # a category needs no scaling
    far = means.abs() > FARTHEST * stds.clamp_min(1.0)
    wrong = ((stds < SMALLEST) & (stds > 0) | (stds > LARGEST) | far) & ~is_two
    found.measured = f"mean {number(values.mean().item())}, standard deviation {number(values.std().item())}"
    chosen = wrong.nonzero()[:, 0].tolist()
    if not chosen:
        return
    worst = max(chosen, key=lambda unit: abs(means[unit].item()) + abs(stds[unit].log().item()))
    told = f"{some([names[unit] for unit in chosen])}: mean {number(means[worst].item())}, standard deviation "
    told += f"{number(stds[worst].item())}{f' ({names[worst]})' if len(chosen) > 1 else ''}"
    key = "dataset.normalize"
    now = bench.experiment.config.dataset.normalize
    advice = "networks learn from a mean near 0 and a standard deviation near 1; "
    advice += "set dataset.normalize: dataset" if now != "dataset" else "look for values far from the others"
    found.find(key, f"the inputs are not normalised, {told}", advice)
