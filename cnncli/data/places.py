"""Where data lie: no part of an experiment, so that the same network can judge data elsewhere."""

from pathlib import Path
from typing import Any

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import ConfigError, DataError, PlaceGone
from cnncli.core.registry import datasets
from cnncli.core.renamed import with_names_of_today
from cnncli.core.spec import DataSpec
from cnncli.data.find import find_data

_PICTURES = ("image_size", "resize", "fit", "interpolation", "channels", "value_range")  # of folders and tables alike
_TOLD = ("split_column", "group")  # columns of the training table that others need not have


def places_of(config: DatasetConfig) -> tuple[str, ...]:
    """The arguments of a data set that say where it lies."""
    return datasets.get(config.name).places


def args_of(config: DatasetConfig) -> dict[str, Any]:
    """The arguments of a data set by their names of today."""
    return with_names_of_today(config.args, datasets.get(config.name).renamed)


def where_to_set(config: DatasetConfig) -> str:
    """What to set where the data of a run are not at their place."""
    keys = " or ".join(f"dataset.{place}" for place in places_of(config))
    return f"set {keys} to where the data of the run lie"


def build(config: DatasetConfig, **other: Any) -> Any:
    """The data set of a section, ``other`` arguments in place of its own.

    Raises ``PlaceGone`` with the key that says where the data lie, if they are not there.
    """
    try:
        return datasets.build(config.name, **{**config.args, **other})
    except PlaceGone as error:
        args = args_of(config)
        key = next((place for place in places_of(config) if args.get(place) == error.place), "path")
        raise PlaceGone(f"{error}; set dataset.{key} to where the data lie", error.place, key) from error


def home_of(config: DatasetConfig) -> Path | None:
    """The folder from which pictures in files have their names; None where there is none, or it is gone."""
    args = args_of(config)
    path, root = args.get("path"), args.get("root")
    try:
        if root is not None:
            return find_data(root, "folder")
        found = None if path is None else find_data(path)
    except DataError:
        return None
    return found.parent if found is not None and found.is_file() else found


def file_of(config: DatasetConfig) -> str | None:
    """The path of data that lie in one file, as it is given; None for others."""
    return args_of(config)["path"] if "one_file" in datasets.get(config.name).traits else None


def placed(config: DatasetConfig, spec: DataSpec, place: str) -> DatasetConfig:
    """The section for data of the same kind at ``place``; raises ``ConfigError`` for sets that lie nowhere."""
    found = find_data(place, "file or folder")
    if spec.kind.in_files:
        name, args = _pictures(config, spec, found)
    else:
        places = places_of(config)
        if not places:
            raise ConfigError(f"{place}: {config.name} is a fixed data set, which lies in no other place; leave it out")
        name = config.name
        args = {key: value for key, value in args_of(config).items() if key not in _TOLD} | {places[0]: place}
    own = {key: value for key, value in config.model_dump().items() if key not in config.args}
    return DatasetConfig.model_validate({**own, **args, "name": name})


def _pictures(config: DatasetConfig, spec: DataSpec, found: Path) -> tuple[str, dict[str, Any]]:
    """A folder, or a table of pictures, read as the network's training pictures were."""
    name = "image_folder" if found.is_dir() else "image_csv"
    if config.name == name:
        kept = {key: value for key, value in args_of(config).items() if key not in (*_TOLD, *places_of(config))}
    else:
        channels, height, width = spec.input_shape
        seen = {"image_size": [height, width], "channels": channels}
        kept = seen | {key: value for key, value in config.args.items() if key in _PICTURES}
    return name, kept | {datasets.get(name).places[0]: str(found)}
