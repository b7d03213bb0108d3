"""The names of splits, as a person gives them."""

from typing import get_args

from cnncli.core.errors import ConfigError, did_you_mean
from cnncli.core.spec import Split


def parse_split(text: str) -> Split:
    """The split called ``text``; raises ``ConfigError`` for any other word."""
    splits: dict[str, Split] = {name: name for name in get_args(Split)}
    if text not in splits:
        raise ConfigError(f"--split {text}: {did_you_mean(text, list(splits))}")
    return splits[text]
