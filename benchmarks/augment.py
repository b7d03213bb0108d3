"""Augmentation of whole batches against torchvision picture by picture: ``python -m benchmarks.augment``.

Both change the same pictures, uint8 with channels innermost, on the same device and threads, in turn; torchvision's are
stacked into a batch in the end, as a loader must. Figures are pictures a second, medians of the rounds.
"""

from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from benchmarks.on_device import now
from benchmarks.side_by_side import machine, parser
from cnncli.core.registry import transforms
from cnncli.data.transforms import Augment

BATCH, VALUES = 64, 2**20  # small pictures are prepared in chunks of so many values, as training does
Chain = list[tuple[str, dict[str, Any]]]
BILINEAR = InterpolationMode.BILINEAR

CASES: dict[str, tuple[int, int, int, Chain, list[v2.Transform]]] = {
    "crop + flip": (
        3, 32, 32, [("random_crop", {}), ("random_horizontal_flip", {})],
        [v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip()],
    ),
    "crop (reflect) + flip": (
        3, 32, 32, [("random_crop", {"padding_mode": "reflect"}), ("random_horizontal_flip", {})],
        [v2.RandomCrop(32, padding=4, padding_mode="reflect"), v2.RandomHorizontalFlip()],
    ),
    "rotation": (1, 28, 28, [("random_rotation", {})], [v2.RandomRotation(10, BILINEAR)]),
    "affine": (
        3, 32, 32, [("random_affine", {})], [v2.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), interpolation=BILINEAR)]
    ),
    "erasing": (3, 32, 32, [("random_erasing", {})], [v2.RandomErasing()]),
    "color_jitter": (3, 32, 32, [("color_jitter", {})], [v2.ColorJitter(0.2, 0.2, 0.2)]),
    "resized crop + flip": (
        3, 256, 224, [("random_resized_crop", {}), ("random_horizontal_flip", {})],
        [v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip()],
    ),
}  # fmt: skip


def seconds(change: Callable[[], Tensor], device: torch.device) -> float:
    """The time of one call."""
    start = now(device)
    change()
    return now(device) - start


def rates(
    channels: int,
    side: int,
    size: int,
    chain: Chain,
    theirs: list[v2.Transform],
    rounds: int,
    device: torch.device,
) -> tuple[float, float, float]:
    """Pictures a second of cnncli and of torchvision, and the median of the rounds' ratios."""
    count = max(VALUES // (channels * side * side) // BATCH, 1) * BATCH
    images = torch.randint(0, 256, (count, side, side, channels), dtype=torch.uint8).to(device).permute(0, 3, 1, 2)
    built = [(name, transforms.build(name, (size, size), **args)) for name, args in chain]
    augment, compose = Augment(built, (size, size), seed=0), v2.Compose(theirs)
    places = torch.arange(count)
    ours: list[float] = []
    others: list[float] = []
    for _ in range(rounds + 1):
        ours.append(seconds(lambda: augment(images, augment.draws(0, places, places)), device))
        others.append(seconds(lambda: torch.stack([compose(image) for image in images]), device))
    ratios = [other / own for own, other in zip(ours[1:], others[1:], strict=True)]  # the first round warms up
    return count / median(ours[1:]), count / median(others[1:]), median(ratios)


def main() -> None:
    """Print a table of all cases."""
    given = parser(__doc__, 7).parse_args()
    print(machine(given.device))
    table = Table("transforms", "pictures", "cnncli, /s", "torchvision, /s", "ratio")
    for name, (channels, side, size, chain, theirs) in CASES.items():
        own, other, ratio = rates(channels, side, size, chain, theirs, given.rounds, torch.device(given.device))
        shape = f"{side}×{side}×{channels}" + (f" to {size}" if size != side else "")
        table.add_row(name, shape, f"{own:,.0f}", f"{other:,.0f}", f"{ratio:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
