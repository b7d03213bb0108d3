"""What is said of a command line that the parser refuses."""

import os
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from cnncli.core.errors import one_line
from cnncli.core.printable import shell_word

_OF_CONFIGS = ("train", "finetune", "inspect", "config")  # commands in which every key of a config can be set
_OF_CHECKPOINTS = ("eval", "predict", "generate", "forecast")  # and those in which these can
_LISTS = ("plugins", "dataset.augment", "logging.loggers")  # keys that take several values
_SETTABLE = ("dataset.", "compute.", "device", "precision", "task.threshold")


def refusal(error: Any, args: Sequence[str]) -> str:
    """The line about a parser's ``error``: for an option that is a key of configs, how the key is written."""
    context = getattr(error, "ctx", None)
    option = getattr(error, "option_name", None)
    if isinstance(option, str) and option.startswith("--") and context is not None:
        key, command = _key_for(option, args, context.info_name), f"cnncli {context.info_name}"
        if key:
            value = _value_of(option, args)
            return f"{command} has no option {option}; write {key}={f'[{value}]' if key in _LISTS else value}"
        if hasattr(error, "possibilities"):
            return one_line(f"{context.command_path} has no option {option}; {_advice(option, args, context)}")
    path = context.command_path if context else "cnncli"
    see = _meant_file(args) or f"See '{path} --help'."
    return one_line(f"{error.format_message()} {see}")


def _advice(option: str, args: Sequence[str], context: Any) -> str:
    """What to do where a command has no such ``option``."""
    if meant := _meant_file(args):
        return meant
    value = shell_word(_value_of(option, args))
    if option == "--data" and context.info_name == "train":
        own = f"cnncli init {value} > my.yaml and cnncli train my.yaml"
        return f"a folder of pictures is trained on with cnncli finetune --from resnet18 --data {value}, or with {own}"
    if option == "--data" and context.info_name == "predict":
        return f"what to predict follows the run: cnncli predict latest {value}"
    known = [name for parameter in context.command.get_params(context) for name in parameter.opts if name[:2] == "--"]
    near = get_close_matches(option, known, n=1, cutoff=0.7)
    meant = f"did you mean {near[0]}? " if near else ""
    return f"{meant}See '{context.command_path} --help'."


def _meant_file(args: Sequence[str]) -> str | None:
    """What to type where a word that was taken for an option is the name of a file."""
    found = next((word for word in args if word.startswith("-") and os.path.lexists(word)), None)
    return None if found is None else f"The file of that name is written {shell_word(f'./{found}')}."


def _key_for(option: str, args: Sequence[str], command: str) -> str | None:
    """The one key of a config that an option means, as far as the command takes it."""
    if command not in (*_OF_CONFIGS, *_OF_CHECKPOINTS):
        return None
    from cnncli.config.keys import meant_keys

    found = meant_keys(option.removeprefix("--").replace("-", "_"), _keys(args))
    if command in _OF_CHECKPOINTS:
        found = [key for key in found if key.startswith(_SETTABLE)]
    return found[0] if found else None


def _keys(args: Sequence[str]) -> list[str]:
    """The keys of the config that the command line names, or of one with the default components."""
    from cnncli.config.catalog import know_signatures
    from cnncli.config.keys import known_keys
    from cnncli.config.merging import load_document
    from cnncli.core.errors import ConfigError
    from cnncli.core.files import user_path

    know_signatures()
    for word in args:
        if word.endswith((".yaml", ".yml")):
            try:
                return known_keys(load_document(user_path(word)).data)
            except ConfigError:  # which is told when the command line is right
                break
    return known_keys({})


def _value_of(option: str, args: Sequence[str]) -> str:
    """The value that was given with an option; ``…`` where there was none."""
    for number, word in enumerate(args):
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
        if word == option and number + 1 < len(args) and not args[number + 1].startswith("--"):
            return args[number + 1]
    return "…"
