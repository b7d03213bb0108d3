"""The way from the top of a config to one of its values."""

KeyPath = tuple[str | int, ...]
"""The way from the top of a document to a value, for example ``("dataset", "augment", 0, "name")``."""


def dotted(path: KeyPath) -> str:
    """``("dataset", "augment", 0)`` as ``dataset.augment.0``, the form of an override on the command line."""
    return ".".join(map(str, path))


def parse_path(text: str) -> KeyPath:
    """The inverse of ``dotted``: numbers are positions in lists."""
    return tuple(int(part) if part.isascii() and part.isdecimal() else part for part in text.split("."))
