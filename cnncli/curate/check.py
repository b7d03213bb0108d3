"""What is wrong with data, or worth a look, before a network learns it by heart: pictures, tables, series and texts."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cnncli.config.sections import Config, DatasetConfig
from cnncli.config.shipped import tell_shadowed
from cnncli.core.errors import ConfigError
from cnncli.core.registry import datasets, tasks
from cnncli.core.spec import Wants
from cnncli.curate.check_pictures import check_folder, check_folder_of, check_listed
from cnncli.curate.check_series import check_series
from cnncli.curate.check_tables import check_table, check_table_file
from cnncli.curate.check_texts import check_text
from cnncli.curate.findings import Checked
from cnncli.data.contract import Track
from cnncli.data.image_csv import ListedPictures
from cnncli.data.image_folder import PictureFolder
from cnncli.data.series import SeriesData
from cnncli.data.tables import TableData
from cnncli.data.text import TextData

Check = Callable[[DatasetConfig, Wants, Track], Checked]

CHECKS: dict[type, Check] = {
    PictureFolder: check_folder_of, ListedPictures: check_listed, TableData: check_table, SeriesData: check_series,
    TextData: check_text,
}  # fmt: skip
TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".pq", ".xlsx")
TEXTS = (".txt",)


def is_checked_alone(path: Path) -> bool:
    """Whether a folder or a file can be checked without a config."""
    return path.is_dir() or path.name.lower().endswith(TABLES + TEXTS)


def check_path(path: Path, track: Track) -> Checked:
    """The report on a folder of pictures, a table, or a text; raises ``DataError`` where there is nothing to check."""
    if path.is_dir():
        tell_shadowed(path, f"the folder '{path}'")
        return check_folder(path, track)
    if path.name.lower().endswith(TABLES):
        return check_table_file(path, track)
    return check_text(DatasetConfig(name="text", path=str(path)), "characters", track)


def check_config(config: Config, track: Track) -> Checked:
    """The report on the data set of a config, split as training would; raises ``ConfigError`` for others."""
    wants: Wants = tasks.get(config.task.name).factory.wants  # type: ignore[attr-defined]
    check = CHECKS.get(_given_by(datasets.get(config.dataset.name).factory))
    if check is None:
        known = [name for name in datasets if CHECKS.get(_given_by(datasets.get(name).factory)) is not None]
        own = [name for name in known if datasets.get(name).places]
        raise ConfigError(
            f"{config.dataset.name} has no files of yours to check; check a folder of pictures, a table, a text, or a "
            f"config with {', '.join(own[:-1])} or {own[-1]}"
        )
    return check(config.dataset, wants, track)


def _given_by(factory: Callable[..., Any]) -> type:
    """The class of the data sets that a factory says it returns."""
    try:
        given = inspect.signature(factory, eval_str=True).return_annotation
    except (NameError, TypeError, ValueError):  # a plug-in may write what it likes there
        return object
    return given if isinstance(given, type) else object
