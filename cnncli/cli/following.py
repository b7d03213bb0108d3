"""What can follow the words of an unfinished command line; nothing here imports torch or pydantic's models."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cnncli.cli.keys import Keys
from cnncli.cli.pages import pages, title
from cnncli.config.shipped import SUFFIXES, shipped_configs
from cnncli.runs.references import BEST, LAST, LATEST, RUNS, run_names, runs_in

Rows = list[tuple[str, str]]
_CONFIGS = {"train", "finetune", "adopt", "config", "inspect", "doctor", "lr-find", "data show", "data check"}
_TRAINED = {"eval", "predict", "explain", "generate", "forecast", "inspect"}
_OVERRIDDEN = {"train", "finetune", "adopt", "config", "inspect", "doctor", "lr-find"}
_SET_ANEW = ("dataset.", "task.", "device=", "precision=")
_FOLDERS = ("--runs-dir", "--data")


def following(root: Any, words: Sequence[str]) -> Rows:
    """What the last of ``words`` can become, with a few words on each; files are left to the shell where none is."""
    *before, typed = words or [""]
    command, path, before = _command(root, before)
    if hasattr(command, "commands"):
        rows = [(name, each.short_help or each.help or "") for name, each in command.commands.items()]
    else:
        rows = []
    option = _waiting_option(command, before)
    if option is not None:
        rows = _values(option, before, typed)
        if rows or option.opts[-1] != "--resume":  # whose value may be left out
            return _begun(rows, typed)
    if typed.startswith("-"):
        options = [(name, each.help or "") for each in _options(command) for name in each.opts]
        return _begun([*options, ("--help", "Show this message and exit.")], typed)
    if not hasattr(command, "commands"):
        rows = rows + _positional(command, path, before, typed)
    return _begun(rows, typed)


def _begun(rows: Iterable[tuple[str, str]], typed: str) -> Rows:
    return list({word: (word, text) for word, text in rows if word.startswith(typed)}.values())


def _command(root: Any, words: list[str]) -> tuple[Any, str, list[str]]:
    """The command that the words name, how it is called, and the words after its name."""
    command, path = root, ""
    left = list(words)
    while hasattr(command, "commands") and left:
        word = left.pop(0)
        if word in command.commands:
            command, path = command.commands[word], f"{path} {word}".strip()
        elif not word.startswith("-"):
            break
    return command, path, left


def _options(command: Any) -> list[Any]:
    return [each for each in command.params if each.param_type_name == "option" and not each.hidden]


def _waiting_option(command: Any, words: Sequence[str]) -> Any:
    """The option whose value comes next, if there is one."""
    last = words[-1] if words else ""
    return next((each for each in _options(command) if last in each.opts and not each.is_flag), None)


def _given(words: Sequence[str], command: Any) -> list[str]:
    """The words that are no options and no values of options."""
    given, skipped = [], False
    for word in words:
        takes = word in {name for each in _options(command) if not each.is_flag for name in each.opts}
        if not skipped and not word.startswith("-"):
            given.append(word)
        skipped = takes
    return given


def _values(option: Any, before: Sequence[str], typed: str) -> Rows:
    name, choices = option.opts[-1], option.metavar.split("|")
    if all(choice.isalpha() and choice.islower() for choice in choices):
        return [(choice, "") for choice in choices]
    if name in ("--ckpt", "--resume"):
        return trained(before, typed, LAST if name == "--resume" else BEST)
    if name == "--from":
        networks = [(each, "torchvision") for each in Keys().published()]
        return [*networks, ("timm/", "a network of timm's"), *trained(before, typed, BEST)]
    if name in _FOLDERS:
        return files(typed, ())
    return []


def _positional(command: Any, path: str, before: Sequence[str], typed: str) -> Rows:
    given = _given(before, command)
    plain = [word for word in given if "=" not in word]
    if path == "list":
        kinds = [(kind, "") for kind in [*Keys().kinds(), "configs"]]
        return kinds if not given else [(name, "") for name in _names(given[0])]
    if path == "docs":
        return [(name, title(file)) for name, file in pages().items()]
    if path == "runs":
        return [(name, "runs of this name") for name in run_names(_runs_dir(before))] + files(typed, ())
    if path == "adopt" and not plain:
        return files(typed, (".pt", ".pth"))
    if path == "adopt":  # then the config comes
        given, plain = given[1:], plain[1:]
    rows: Rows = []
    if (path in _TRAINED and not plain) or path == "compare":
        rows += trained(before, typed, BEST)
    if (path in _CONFIGS and not plain) or path == "init":
        rows += [(name, "comes with cnncli") for name in shipped_configs()] if path != "data check" else []
        rows += files(typed, () if path == "init" else SUFFIXES)
    if path in _OVERRIDDEN or (path in _TRAINED and plain):
        found = Keys().overrides(typed, given)
        rows += found if path in _OVERRIDDEN else [row for row in found if row[0].startswith(_SET_ANEW)]
    return rows


def _names(kind: str) -> list[str]:
    return list(shipped_configs()) if kind == "configs" else Keys().names(kind)


def trained(before: Sequence[str], typed: str, file: str) -> Rows:
    """What means a trained network: ``latest``, names of runs, their folders and checkpoints, the newest first."""
    runs_dir = _runs_dir(before)
    runs = runs_in(runs_dir)
    rows = [(LATEST, "the newest run")] if runs else []
    rows += [(name, "the newest run of this name") for name in run_names(runs_dir)]
    if "/" in typed or typed.startswith(str(runs_dir)):
        checkpoints = (file, *({BEST, LAST} - {file})) if typed.endswith("/") or ".pt" in typed else ()
        rows += [(str(run), "") for run in runs]
        rows += [(str(run / name), "") for run in runs for name in checkpoints if (run / name).is_file()]
    return [*rows, *files(typed, (".pt", ".pth"))] if not any(word.startswith(typed) for word, _ in rows) else rows


def _runs_dir(before: Sequence[str]) -> Path:
    words = list(before)
    return Path(words[words.index("--runs-dir") + 1]) if "--runs-dir" in words[:-1] else RUNS


def files(typed: str, suffixes: Sequence[str]) -> Rows:
    """Folders, with a '/' at the end, and files with one of ``suffixes``."""
    folder, _, begun = typed.rpartition("/")
    place = Path(folder + "/" if "/" in typed else ".").expanduser()
    try:
        with os.scandir(place) as entries:
            found = sorted((entry.name, entry.is_dir()) for entry in entries if entry.name.startswith(begun))
    except OSError:  # there is no such folder, or it cannot be read
        return []
    head = typed[: len(typed) - len(begun)]
    visible = [(name, is_folder) for name, is_folder in found if begun or not name.startswith(".")]
    return [
        (f"{head}{name}{'/' if is_folder else ''}", "")
        for name, is_folder in visible
        if is_folder or name.endswith(tuple(suffixes) or "\0")
    ]
