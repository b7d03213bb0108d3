"""Everything between files and batches. Knows no model; importing this package fills the registries."""

from cnncli.data import digits, image_folder, torchvision_sets, transforms
from cnncli.data.bundle import DataBundle, build_data

__all__ = ["DataBundle", "build_data", "digits", "image_folder", "torchvision_sets", "transforms"]
