"""Where data lie: as they are named, or in the data folder."""

import os
from pathlib import Path

from cnncli.core.errors import DataError, PlaceGone
from cnncli.core.files import user_path


def data_root() -> Path:
    """Where data sets are looked for and downloaded to: ``$CNNCLI_DATA``, else ``data``."""
    return user_path(os.environ.get("CNNCLI_DATA") or "data")


def find_data(path: str, what: str = "file") -> Path:
    """``path`` as it is, or else inside the data folder; raises ``PlaceGone`` when neither is there."""
    here = user_path(path)
    for candidate in (here, data_root() / here):
        if os.path.exists(candidate):  # Path.exists raises for a name that is too long
            if what == "folder" and not candidate.is_dir():
                raise DataError(f"{candidate}: is a file where a folder is expected; name the folder")
            return candidate
    raise PlaceGone(f"{path}: no such {what}, neither here nor in '{data_root()}'", path)
