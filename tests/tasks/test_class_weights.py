"""Class weights that cannot be used are refused by every task with classes in the same words."""

from typing import Any

import pytest
import torch

from cnncli.config.sections import LossConfig
from cnncli.core.errors import ConfigError
from cnncli.core.spec import DataSpec, Pictures
from cnncli.tasks.binary import Binary
from cnncli.tasks.classification import Classification

SPEC = DataSpec((1, 8, 8), ("ant", "bee"), Pictures((0.0,), (1.0,)))


@pytest.mark.parametrize(
    ("task", "loss", "weights", "said"),
    [
        (Classification, "mse", "balanced", "loss.class_weights: mse takes none; use cross_entropy, focal, "),
        (Binary, "soft_margin", "balanced", "loss.class_weights: soft_margin takes none; use bce_with_logits"),
        (Classification, "focal", {"bea": 2.0}, "loss.class_weights: no class 'bea'; did you mean 'bee'?"),
        (Binary, "bce_with_logits", {"bea": 2.0}, "loss.class_weights: no class 'bea'; did you mean 'bee'?"),
    ],
)
def test_weights_for_another_loss_or_class_are_refused(task: Any, loss: str, weights: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        task(SPEC, LossConfig(name=loss, class_weights=weights), torch.device("cpu"))
    assert said in str(caught.value)
