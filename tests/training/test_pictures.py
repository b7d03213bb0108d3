"""What is written above a sample."""

import pytest
import torch

from cnncli.core.targets import Shares
from cnncli.training.pictures import _labels

CLASSES = ("ant", "bee", "cat")


@pytest.mark.parametrize(
    ("targets", "shown"),
    [
        (torch.tensor([2, 0]), ["cat", "ant"]),
        (torch.tensor([[1.0, 0, 1], [0, 0, 0]]), ["ant|cat", "(none)"]),
        (Shares(torch.tensor([[0.25, 0.75, 0], [1.0, 0, 0]])), ["75 % bee 25 % ant", "ant"]),
    ],
    ids=["class", "labels", "mixed"],
)
def test_a_sample_is_called_by_its_class_its_labels_or_their_shares(targets: torch.Tensor, shown: list[str]) -> None:
    assert _labels(targets, CLASSES) == shown


def test_a_sample_is_called_by_its_numbers() -> None:
    assert _labels(torch.tensor([[3.5, -0.25], [1234.5, 0]], dtype=torch.float64), ()) == ["3.5, -0.25", "1234, 0"]
