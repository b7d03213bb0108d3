"""Targets on their way to a device."""

import pytest
import torch

from cnncli.data.sources import movable


@pytest.mark.parametrize(
    ("device", "dtype", "found"),
    [
        ("mps", torch.float64, torch.float32),
        ("mps", torch.int64, torch.int64),
        ("cpu", torch.float64, torch.float64),
        ("cuda", torch.float64, torch.float64),
    ],
)
def test_only_a_device_without_float64_gets_narrower_numbers(
    device: str, dtype: torch.dtype, found: torch.dtype
) -> None:
    assert movable(torch.zeros(2, dtype=dtype), torch.device(device)).dtype == found
