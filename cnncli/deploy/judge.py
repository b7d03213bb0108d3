"""How good an exported network is: the task's own metrics of it, on validation."""

import torch
from torch import Tensor

from cnncli.core.errors import ConfigError
from cnncli.core.results import Values
from cnncli.core.spec import Split
from cnncli.data import DataBundle
from cnncli.deploy.parity import Run
from cnncli.deploy.samples import raw_of
from cnncli.inference.predictor import Predictor

BATCH = 64


def judged(run: Run, predictor: Predictor, data: DataBundle, split: Split, batch: int = BATCH) -> Values:
    """The metrics of an exported network of pictures or rows on a split of its data."""
    source, task = data.sources[split], predictor.task
    meter = task.meter()
    for first in range(0, len(source), batch):
        chosen = torch.arange(first, min(first + batch, len(source)))
        samples = torch.stack([source[number] for number in chosen.tolist()])
        outputs = as_outputs(run(raw_of(predictor, samples)), predictor)
        targets = source.targets[chosen]
        meter.update(task.eval_loss(outputs, targets), task.weight(targets), outputs, targets)
    return meter.compute()


def can_be_judged(predictor: Predictor) -> bool:
    """Whether each sample stands alone: windows and texts do not."""
    return predictor.spec.kind.only is None


def as_outputs(answers: dict[str, Tensor], predictor: Predictor) -> Tensor:
    """What the network itself gave, of what its graph gave."""
    if "logits" in answers:
        return answers["logits"]
    mean, std = getattr(predictor.task, "mean", None), getattr(predictor.task, "std", None)
    if mean is None or std is None:
        raise ConfigError(f"{predictor.path}: {predictor.config.task.name} has no outputs to judge")
    outputs: Tensor = (answers["values"] - mean) / std
    return outputs.float()


def loss_of(before: Values, after: Values, predictor: Predictor) -> float:
    """How much worse ``after`` is: in points of a rate, in percent of an error."""
    name = predictor.task.headline
    if name in predictor.task.lower_is_better:
        return 100 * (after[name] / before[name] - 1) if before[name] else 0.0
    return 100 * (before[name] - after[name])
