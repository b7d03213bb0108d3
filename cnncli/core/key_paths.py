"""The way from the top of a config to one of its values."""

import re

KeyPath = tuple[str | int, ...]
"""The way from the top of a document to a value, for example ``("dataset", "augment", 0, "name")``."""


def dotted(path: KeyPath) -> str:
    """``("dataset", "augment", 0)`` as ``dataset.augment.0``, the form of an override on the command line."""
    return ".".join(map(str, path))


def parse_path(text: str) -> KeyPath:
    """The inverse of ``dotted``: numbers are positions in lists."""
    # a word of thousands of digits is no position, and int() refuses it
    return tuple(int(part) if re.fullmatch("[0-9]{1,9}", part) else part for part in text.split("."))
