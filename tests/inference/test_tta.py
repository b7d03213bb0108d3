"""Answers to several views become one, in the way that the task's answers can be averaged."""

import torch
from torch import nn

from cnncli.core.spec import DataSpec, Numbers, Pictures
from cnncli.inference.tta import averaged, views

PLAIN = Pictures((0.0,) * 3, (1.0,) * 3)
CLASSES = DataSpec((3, 16, 16), ("a", "b", "c"), PLAIN)
NUMBERS = DataSpec((3, 16, 16), (), PLAIN, (3,), Numbers(("x", "y", "z"), (0.0,) * 3, (1.0,) * 3))


def network_and_pictures() -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3)), torch.randn(5, 3, 16, 16)


def test_numbers_are_averaged_as_they_are() -> None:
    network, pictures = network_and_pictures()
    mean = torch.stack([network(view) for view in views(pictures)]).mean(0)
    torch.testing.assert_close(averaged(network, NUMBERS)(pictures), mean)


def test_of_independent_answers_the_mean_is_over_sigmoids() -> None:
    network, pictures = network_and_pictures()
    mean = torch.stack([network(view).sigmoid() for view in views(pictures)]).mean(0)
    torch.testing.assert_close(averaged(network, CLASSES, {"sigmoids"})(pictures).sigmoid(), mean)


def test_of_answers_that_exclude_each_other_the_mean_is_over_their_shares() -> None:
    network, pictures = network_and_pictures()
    mean = torch.stack([network(view).softmax(1) for view in views(pictures)]).mean(0)
    torch.testing.assert_close(averaged(network, CLASSES)(pictures).softmax(1), mean)
