"""What baselines are fitted to: the inputs of the network as flat rows of numbers, pictures shrunken."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cnncli.core.columns import Column
from cnncli.core.spec import Split
from cnncli.data.loaders import MemoryLoader
from cnncli.data.order import Share
from cnncli.data.sources import ArraySource
from cnncli.training.build import Experiment
from cnncli.training.loading import loader_of
from cnncli.training.network import example_inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 16  # pixels of a shrunken picture, at most


def in_memory(experiment: Experiment) -> bool:
    """Whether the samples are in memory, so that reading them costs next to nothing."""
    return experiment.data.embed is not None or isinstance(experiment.data.sources["train"], ArraySource)


def shrunk_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a picture whose pixels are means over squares, at most 16 of them a side."""
    height, width = size
    by = -(-max(size) // SIDE)
    return -(-height // by), -(-width // by)


def width_of(experiment: Experiment) -> int:
    """How many numbers a sample has in ``inputs_of``."""
    inputs = example_inputs(experiment.data.spec, experiment.runtime.device)
    embed = experiment.data.embed
    return (_flat(inputs) if embed is None else embed(inputs)).shape[1]


def inputs_of(experiment: Experiment, split: Split) -> "NDArray[Any]":
    """All samples of ``split`` as the network gets them without augmentation, float64 ``[N, D]``.

    Columns that are no categories, and features of a pretrained network, are scaled by the training part.
    """
    inputs: NDArray[Any] = _read(experiment, split).numpy()
    scaled = _scaled(experiment)
    if scaled is not None and scaled.any():
        from sklearn.preprocessing import StandardScaler

        chosen = np.flatnonzero(scaled.numpy())
        known = inputs if split == "train" else _read(experiment, "train").numpy()
        own, columns = (np.ascontiguousarray(each[:, chosen]) for each in (known, inputs))
        inputs[:, chosen] = StandardScaler().fit(own).transform(columns)
    return inputs


def _scaled(experiment: Experiment) -> Tensor | None:
    """Which of the inputs are scaled, bool ``[D]``; None where none is."""
    columns = getattr(experiment.data.spec.preprocess, "columns", ())
    if experiment.data.embed is not None:
        return torch.ones(width_of(experiment), dtype=torch.bool)
    measured = [each for column in columns if isinstance(column, Column) for each in column.measured]
    return torch.tensor(measured) if measured else None


def _read(experiment: Experiment, split: Split) -> Tensor:
    data = experiment.data
    if data.embed is not None:
        # of training the loader that it uses itself: features are computed once
        loader = loader_of(
            data, split, experiment.runtime.device, training=split == "train", seed=experiment.config.seed
        )
        assert isinstance(loader, MemoryLoader)
        return loader.held.source.inputs.cpu().double()
    batches = data.loader(split, experiment.runtime.device, embedded=False, share=Share()).epoch(0)
    return torch.cat([_flat(inputs).cpu().double() for inputs, _ in batches])


def _flat(inputs: Tensor) -> Tensor:
    """Samples ``[B, D]``; pictures ``[B, C, H, W]`` are shrunken first."""
    if inputs.ndim == 4:
        height, width = inputs.shape[2:]
        inputs = F.adaptive_avg_pool2d(inputs, shrunk_size((height, width)))
    return inputs.flatten(1)
