"""The number that an explanation is about: what the network says for one class, before any softmax."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from cnncli.inference.predictor import Predictor


def class_scores(predictor: "Predictor", outputs: Tensor, classes: Tensor) -> Tensor:
    """Of outputs ``[N, K]`` the one of each sample's class ``[N]``, as a differentiable ``[N]``.

    One logit for two classes counts for the one and against the other. Of a network that gives numbers ``classes``
    are the numbers' places.
    """
    outputs = outputs.flatten(1)
    classes = classes.to(outputs.device)
    if outputs.shape[1] == 1 and len(predictor.classes) == 2:
        signs = torch.where(classes == _of_large_logits(predictor), 1.0, -1.0)
        return outputs[:, 0] * signs.to(outputs)
    return outputs.gather(1, classes[:, None])[:, 0]


def predicted(predictor: "Predictor", outputs: Tensor) -> Tensor:
    """The class that each sample is answered with, int64 ``[N]`` on the CPU; of several the most probable one.

    The most probable one, too, where none is named; 0 for a network that gives numbers.
    """
    found = predictor.task.naming(outputs.detach())
    if found is None:
        return torch.zeros(len(outputs), dtype=torch.long)
    return (found.probabilities + found.chosen).argmax(1)


def _of_large_logits(predictor: "Predictor") -> int:
    """The class that a single large logit means."""
    return int(predicted(predictor, torch.full((1, 1), 50.0))[0])
