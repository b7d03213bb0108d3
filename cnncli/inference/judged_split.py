"""Which split a checkpoint is judged on."""

from collections.abc import Collection
from pathlib import Path

from cnncli.config.sections import Config
from cnncli.core.errors import DataError
from cnncli.core.notices import notice
from cnncli.core.printable import shell_word
from cnncli.core.spec import Split
from cnncli.data.places import places_of

_BEST_FIRST: tuple[Split, ...] = ("test", "val", "train")


def judged_split(wanted: Split | None, splits: Collection[str], checkpoint: Path, config: Config) -> Split:
    """The ``wanted`` one of the ``splits`` that the data have; None: test, else validation, else training, with a note.

    Raises ``DataError`` for a split that is not there, with those that are.
    """
    found = next(split for split in _BEST_FIRST if split in splits)
    asked = f"cnncli eval {shell_word(checkpoint)}"
    elsewhere = f"{asked} --data PLACE" if places_of(config.dataset) else ""
    if wanted is None:
        if found != "test":
            new = f"; new data are judged with: {elsewhere}" if elsewhere else ""
            notice("split", f"there is no test split: judged on the {_what(found, config)}{new}")
        return found
    if wanted not in splits:
        ways = [f"{asked} --split {found}", *([elsewhere] if elsewhere else [])]
        raise DataError(f"{checkpoint}: the run has no {wanted} split; judge others: {' or '.join(ways)}")
    return wanted


def _what(split: Split, config: Config) -> str:
    """The samples of ``split``, and what training did with them."""
    if split == "train":
        return "training samples, which the network has seen"
    chose = ", which chose the best epoch" if config.checkpoint.monitor.startswith("val/") else ""
    return f"validation samples{chose}"
