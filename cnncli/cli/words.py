"""How the words of a command line are told apart: configs, checkpoints and runs, paths, and overrides of keys."""

import re
from pathlib import Path

from cnncli.cli.console import warn
from cnncli.config.shipped import own_config, shipped_configs
from cnncli.core.errors import ConfigError, one_line
from cnncli.core.files import user_path
from cnncli.core.printable import shell_word
from cnncli.runs.references import CONFIGS, find_checkpoint, means_checkpoint, unknown

_KEY = re.compile(r"[a-z_]+(\.[a-z_]+)+")
_SETTING = re.compile(r"(device|precision|(dataset|compute|task)\.\w+)=")  # other words with a '=' are paths


def is_override(word: str) -> bool:
    """Whether a word of the command line is ``key=value`` rather than a path that has a '=' in it."""
    try:
        return "=" in word and not user_path(word).exists()
    except (OSError, ConfigError):  # a network written as an override is too long for a path
        return True


def split_words(words: list[str] | None) -> tuple[Path | None, list[str]]:
    """The config's path, if there is one, and the overrides."""
    overrides = [word for word in words or [] if is_override(word)]
    others = [word for word in words or [] if not is_override(word)]
    if len(others) > 1:
        raise ConfigError(_second(others))
    return (user_path(others[0]) if others else None), overrides


def _second(others: list[str]) -> str:
    """What is said of a second word that is no override; it may be the key of one whose '=' is left out."""
    key, *values = others[1:]
    if _KEY.fullmatch(key) and Path(key).suffix not in CONFIGS and not user_path(key).exists():
        override = shell_word(f"{key}={values[0] if values else 'VALUE'}")
        return f"'{key}' is a second config; if it is a key, write {override}"
    return f"'{key}' is a second config; overrides are written key=value"


def split_trained(words: list[str] | None, ckpt: str | None, runs_dir: Path, data: str = "") -> tuple[Path, list[str]]:
    """The checkpoint that the option or the first word means, and the overrides; raises ``ConfigError`` without one.

    ``data`` is the option that names data, where there is one: it is what a second word may be meant for.
    """
    overrides = [word for word in words or [] if is_override(word)]
    others = [word for word in words or [] if not is_override(word)]
    named = [*([] if ckpt is None else [ckpt]), *others]
    if not named:
        raise ConfigError("no checkpoint given; name a checkpoint, a run's folder or name, or latest")
    if len(named) > 1:
        if data and user_path(named[1]).exists() and not means_checkpoint(named[1], runs_dir):
            raise ConfigError(f"'{named[1]}' is no checkpoint; data are named with {data} {shell_word(named[1])}")
        raise ConfigError(f"'{named[1]}' is a second checkpoint; overrides are written key=value")
    return find_checkpoint(named[0], runs_dir), overrides


def split_several(words: list[str] | None, ckpt: str | None, runs_dir: Path) -> tuple[list[Path], list[str]]:
    """The checkpoints that the option and the words mean, in their order, and the overrides of all of them.

    Raises ``ConfigError`` without a checkpoint.
    """
    overrides = [word for word in words or [] if is_override(word)]
    named = [*([] if ckpt is None else [ckpt]), *(word for word in words or [] if word not in overrides)]
    if not named:
        raise ConfigError("no checkpoint given; name a checkpoint, a run's folder or name, or latest")
    return [find_checkpoint(word, runs_dir) for word in named], overrides


def split_asked(
    words: list[str] | None, ckpt: str | None, runs_dir: Path, command: str = "predict", alone: bool = False
) -> tuple[Path, list[str], list[str]]:
    """The checkpoint, the paths to answer for, and the overrides; without the option the first word is the checkpoint.

    Raises ``ConfigError`` where one of them is missing. ``alone``: a checkpoint is enough.
    """
    overrides = [word for word in words or [] if is_override(word) and _SETTING.match(word)]
    paths = [word for word in words or [] if word not in overrides]
    if alone and ckpt is None and len(paths) == 1 and means_checkpoint(paths[0], runs_dir):
        ckpt, paths = paths[0], []
    if ckpt is None and len(paths) == 1:
        example = f"cnncli {command} latest {paths[0]}"
        raise ConfigError(
            f"'{paths[0]}' alone is not enough; name a checkpoint or run, then what to {command}: {example}"
        )
    if alone and not paths and ckpt is None:
        raise ConfigError(f"no network given; name a checkpoint or run, then what to {command}")
    if not paths and not alone:
        raise ConfigError("no path given; name pictures, folders, or a table")
    if ckpt is None:
        ckpt, *paths = paths
        _refuse_swapped(ckpt, paths, runs_dir, command)
    return find_checkpoint(ckpt, runs_dir), paths, overrides


def _refuse_swapped(ckpt: str, paths: list[str], runs_dir: Path, command: str) -> None:
    """Raise ``ConfigError`` where what to answer for comes before the run."""
    last = paths[-1]
    is_run = not user_path(last).exists() and means_checkpoint(last, runs_dir)
    if is_run and user_path(ckpt).is_file() and not means_checkpoint(ckpt, runs_dir):
        words = " ".join(map(shell_word, [command, last, ckpt, *paths[:-1]]))
        raise ConfigError(f"'{ckpt}' is no checkpoint; the run comes first: cnncli {words}")


def split_either(words: list[str] | None, ckpt: str | None, runs_dir: Path) -> tuple[Path, bool, list[str]]:
    """A config or a checkpoint, whether it is a checkpoint, and the overrides; see ``means_checkpoint``."""
    path, overrides = split_words(words)
    if ckpt is not None and path is not None:
        raise ConfigError(f"'{path}' and '{ckpt}' are two networks; name one")
    if ckpt is not None:
        return find_checkpoint(ckpt, runs_dir), True, overrides
    path = needed(path)
    if means_checkpoint(path, runs_dir):
        return find_checkpoint(path, runs_dir), True, overrides
    # a config that is named without being a file would be looked up here: a run of that name wins
    if path.suffix not in CONFIGS and own_config(path) is None and path.as_posix() not in shipped_configs():
        raise unknown(path, runs_dir, what="config, checkpoint or run")
    return path, False, overrides


def needed(path: Path | None) -> Path:
    """``path``, or a ``ConfigError`` where none was given."""
    if path is None:
        raise ConfigError("no config given; name a YAML file, or one that comes with cnncli, for example digits")
    return path


def print_notices(notices: list[str]) -> None:
    """What loading left out or doubts, a line each on standard error."""
    for notice in notices:
        warn(f"note: {one_line(notice)}")
