"""Looking at the pictures of a config or a folder, as training will."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Protocol

from cnncli.compute.devices import pick_device
from cnncli.config.checking import LoadedConfig
from cnncli.config.shipped import tell_shadowed
from cnncli.core.errors import ConfigError
from cnncli.core.files import user_path
from cnncli.core.spec import Split
from cnncli.data.sources import FileSource
from cnncli.training.build import blaming, open_data
from cnncli.training.configs import load_config, load_folder
from cnncli.training.display import Display
from cnncli.training.pictures import training_samples


class Writable(Protocol):
    """A file that may be written, unless it is one of those that are read."""

    path: Path

    def keep_apart(self, read: Iterable[Path]) -> None:
        """Raise ``ConfigError`` when it is one of them."""

    def write(self, fill: Callable[[BinaryIO], object]) -> None:
        """Let ``fill`` write it."""


def show_samples(what: str, split: Split, count: int, augmented: bool, out: Writable) -> str:
    """Write ``count`` samples of a config, or of a folder of pictures, to ``out``; returns what was drawn.

    The pictures of the training split are the first of its first epoch, with or without its augmentation.
    """
    if augmented and split != "train":
        raise ConfigError(f"--augmented: {split} pictures are never augmented; leave out one of them")
    loaded = _load(what, augmented)
    with blaming(loaded, "dataset"):
        data = open_data(loaded.config, Display().track)
        files = [source for source in data.sources.values() if isinstance(source, FileSource)]
        out.keep_apart(path for source in files for path in source.paths)
        image = training_samples(data, pick_device("cpu"), loaded.config.seed, count, split, split == "train")
    out.write(lambda file: image.save(file, format="PNG"))
    shape = "×".join(map(str, data.spec.input_shape))
    return (
        f"{out.path}: {min(count, len(data.sources[split]))} of {len(data.sources[split]):,} {split} pictures, {shape}"
    )


def _load(what: str, augmented: bool) -> LoadedConfig:
    overrides = [
        "dataset.cache=false",
        "dataset.memory=never",
    ]  # to look at a few pictures not all of a large set need decoding
    overrides += [] if augmented else ["dataset.augment=[]"]
    path = user_path(what)
    if not path.is_dir():
        return load_config(path, overrides)
    tell_shadowed(path, f"the folder '{path}'")
    return load_folder(path, overrides)
