"""Whether a map explains anything: deletion and insertion (Petsiuk et al. 2018, RISE), beside random maps."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from cnncli.insight.class_scores import class_scores

if TYPE_CHECKING:
    from cnncli.inference.predictor import Predictor

STEPS = 10  # parts of the places that are removed one after the other
RANDOM = 19  # other maps: a map that beats all of them does so by chance once in 20 times
INSERTED = 5  # of them that are inserted, too, which decides nothing
LEAST = 0.05  # by which a map must be better than random ones, in probability: less than this is nothing to look at
BLUR = 8  # the shorter side of a picture by this is the deviation of the blur that insertion starts from
AT_ONCE = 256  # pictures in one pass


@dataclass(frozen=True)
class Score:
    """Areas under the curves of one picture; of the random maps the means, and how many of them it beats."""

    deletion: float
    insertion: float
    random_deletion: float
    random_insertion: float
    maps: int
    beaten: int

    @property
    def explains(self) -> bool:
        """Whether removing what is warm hurts clearly more than removing the places of any random map."""
        return self.beaten == self.maps and self.random_deletion - self.deletion >= LEAST


def scores(
    predictor: "Predictor", picture: Tensor, number: int, heat: Tensor, maps: int = RANDOM, seed: int = 0
) -> Score:
    """The score of one map ``[H, W]`` for a picture as the network gets it, ``[C, H, W]``, and a class.

    Deletion: the mean probability of the class while the warmest places are replaced by the mean colour, lower is
    better. Insertion: the same while they come back into the blurred picture, higher is better. Of a network that
    gives numbers it is the number, standardised. The random maps are the same map, shifted and mirrored at random,
    so that they are as smooth and as large.
    """
    ranks = _removed_at(torch.stack([heat, *elsewhere(heat, maps, seed)]))
    removed = _areas(predictor, picture, torch.zeros_like(picture), ranks, number)
    restored = _areas(predictor, blurred(picture), picture, ranks[: INSERTED + 1], number)
    return Score(
        removed[0].item(),
        restored[0].item(),
        removed[1:].mean().item(),
        restored[1:].mean().item(),
        maps,
        int((removed[0] < removed[1:]).sum()),
    )


def elsewhere(heat: Tensor, maps: int, seed: int) -> Iterator[Tensor]:
    """The map at other places: shifted around the edges, and mirrored or not."""
    generator = torch.Generator().manual_seed(seed)
    height, width = heat.shape
    for _ in range(maps):
        down = int(torch.randint(height, (), generator=generator))
        across = int(torch.randint(width, (), generator=generator))
        sides = [side for side in (0, 1) if torch.rand((), generator=generator) < 0.5]
        yield heat.roll((down, across), (0, 1)).flip(sides)


def blurred(picture: Tensor) -> Tensor:
    """A picture ``[C, H, W]`` without its details."""
    deviation = max(min(picture.shape[1:]) / BLUR, 1.0)
    reach = int(2 * deviation)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=picture.device) / deviation) ** 2)
    kernel = (kernel / kernel.sum()).to(picture)
    planes = F.pad(picture[:, None], (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(planes, kernel[None, None, :, None]), kernel[None, None, None])[:, 0]


def _removed_at(maps: Tensor) -> Tensor:
    """At which step, 1 to ``STEPS``, each place of maps ``[M, H, W]`` goes; equally warm ones in a random order."""
    places = maps.flatten(1)
    shuffled = torch.randperm(places.shape[1], generator=torch.Generator().manual_seed(0))
    order = shuffled[places[:, shuffled].argsort(dim=1, descending=True, stable=True)]
    steps = torch.arange(places.shape[1]) * STEPS // places.shape[1] + 1
    return torch.empty_like(order).scatter_(1, order, steps.expand_as(order)).view_as(maps)


@torch.inference_mode()
def _areas(predictor: "Predictor", before: Tensor, after: Tensor, ranks: Tensor, number: int) -> Tensor:
    """The area under each map's curve while places change from one picture to the other, float32 ``[M]``."""
    ranks, done = ranks.to(before.device), torch.arange(1, STEPS, device=before.device)
    first, last = _said(predictor, torch.stack([before, after]), number)
    areas = []
    for part in ranks.split(max(AT_ONCE // len(done), 1)):
        gone = part[:, None] <= done[:, None, None]  # [M, STEPS - 1, H, W]
        pictures = torch.where(gone[:, :, None], after, before)
        between = _said(predictor, pictures.flatten(0, 1), number).view(len(part), -1)
        areas.append((between.sum(1) + (first + last) / 2) / STEPS)
    return torch.cat(areas)


def _said(predictor: "Predictor", pictures: Tensor, number: int) -> Tensor:
    """The probability of the class, or the number, for each picture."""
    outputs = predictor.network(pictures).float().cpu()
    found = predictor.task.naming(outputs)
    if found is None:
        return class_scores(predictor, outputs, torch.full((len(outputs),), number))
    return found.probabilities[:, number]
