"""Everything between files and batches. Knows no model; importing this package fills the registries."""

from cnncli.data import (
    csv_table,
    digits,
    image_csv,
    image_folder,
    letters,
    mixing,
    series_csv,
    table_sets,
    tables,
    text,
    torchvision_sets,
    transforms,
)
from cnncli.data.bundle import DataBundle, build_data

__all__ = [
    "DataBundle",
    "build_data",
    "csv_table",
    "digits",
    "image_csv",
    "image_folder",
    "letters",
    "mixing",
    "series_csv",
    "table_sets",
    "tables",
    "text",
    "torchvision_sets",
    "transforms",
]
