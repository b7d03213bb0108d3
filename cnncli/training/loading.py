"""The batches of a split, and what helps where they do not fit into the device's memory."""

import torch

from cnncli.compute.failures import explained, fewer_at_once
from cnncli.core.spec import Split
from cnncli.data.bundle import DataBundle
from cnncli.data.loaders import Loader, MemoryLoader


def loader_of(
    data: DataBundle, split: Split, device: torch.device, *, training: bool = False, seed: int = 0,
    embedded: bool = True,
) -> Loader:  # fmt: skip
    """``data.loader`` with its samples in place; raises ``TrainingError`` too, where the device cannot hold them."""
    with explained(_instead_of_keeping(data, embedded)):
        loader = data.loader(split, device, training=training, seed=seed, embedded=embedded)
        if isinstance(loader, MemoryLoader):
            loader.held.get()
    return loader


def room_to_evaluate(data: DataBundle, loader: Loader) -> str:
    """What helps where evaluating the batches of ``loader`` takes too much memory."""
    return fewer_at_once(loader.order.batch_size) if data.embed is None else _instead_of_keeping(data, embedded=True)


def _instead_of_keeping(data: DataBundle, embedded: bool) -> str:
    kept = embedded and data.embed is not None
    return "set finetune.cache_features: false" if kept else "set dataset.memory: never"
