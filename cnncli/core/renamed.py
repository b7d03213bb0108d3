"""Arguments that had other names once: configs, overrides and checkpoints with the old ones keep working."""

import re
from collections.abc import Mapping
from typing import Any

_TABLE = re.compile(r".+\.(csv|tsv|tab|txt|dat|parquet|pq|xlsx?|xlsm|ods)(\.\w+)?", re.IGNORECASE)


def keys_of_arguments(args: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, list[str]]:
    """The arguments by their names of today, and the keys of ``args`` that give each of them, mostly one.

    ``renamed`` are old names → new ones. Where an old name is given that is none of today's, all of them are meant as
    they were: beside `file`, the `path` of a table of pictures is its column. A `path` that is called like a table is
    the place nevertheless.
    """
    today = set(renamed.values())
    as_before = any(old in args and old not in today for old in renamed)
    found: dict[str, list[str]] = {}
    for key, value in args.items():
        kept = not as_before or (key in today and _is_table(value))
        found.setdefault(key if kept else renamed.get(key, key), []).append(key)
    return found


def with_names_of_today(args: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    """``args`` with every argument under its name of today, which wins where both are given."""
    found = keys_of_arguments(args, renamed)
    return {name: args[name if name in keys else keys[0]] for name, keys in found.items()}


def _is_table(value: Any) -> bool:
    return isinstance(value, str) and _TABLE.fullmatch(value) is not None
