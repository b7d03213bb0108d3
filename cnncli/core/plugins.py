"""Python files of the user's that register components."""

import hashlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cnncli.core.errors import ConfigError
from cnncli.core.files import real_path

PLUGIN_PREFIX = "cnncli_plugin_"
_FOLDERS: set[str] = set()  # of the plug-ins that were read
_BEING_READ: list[Path] = []
_READ: dict[Path, str] = {}  # the plug-ins that were read, in their order, and the names of their modules


def loading() -> bool:
    """Whether a plug-in is being read, which other processes will read, too."""
    return bool(_BEING_READ)


def load_plugin(path: Path) -> None:
    """Run a plug-in file once in this process; its decorators fill the registries. It can import its neighbours.

    Raises ``ConfigError`` with the file and line when it is missing or fails.
    """
    path = real_path(path)
    name = f"{PLUGIN_PREFIX}{path.stem}_{hashlib.sha256(os.fsencode(path)).hexdigest()[:8]}"
    if name in sys.modules:
        return
    if not os.path.isfile(path):  # Path.is_file raises for a name that is too long
        raise ConfigError(f"{path}: no such plug-in; paths under 'plugins:' are relative to the config file")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path}: is not a Python file; plug-ins end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    _READ[path] = name
    _BEING_READ.append(path)
    try:
        with _importable(path.parent):
            spec.loader.exec_module(module)
    except KeyboardInterrupt:
        del sys.modules[name]
        raise
    except BaseException as error:  # whatever a user's file raises is shown where it happened
        del sys.modules[name]
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = frames[-1].lineno if frames else getattr(error, "lineno", None)
        where = f"{path}:{line}" if line else str(path)
        raise ConfigError(f"{where}: {_cause(error)}") from error
    finally:
        _BEING_READ.pop()


class LoadedPlugins:
    """The plug-ins of this process: unpickled in another one, they are read there, before what is pickled after them.

    A process that was spawned, as on Windows and macOS, knows only what it imports itself.
    """

    def __init__(self, paths: Sequence[Path] = ()) -> None:
        self.paths = tuple(paths) or tuple(path for path, name in _READ.items() if name in sys.modules)

    def __reduce__(self) -> tuple[Callable[..., "LoadedPlugins"], tuple[tuple[Path, ...]]]:
        return _read_again, (self.paths,)


def _read_again(paths: tuple[Path, ...]) -> LoadedPlugins:
    for path in paths:
        load_plugin(path)
    return LoadedPlugins(paths)


def _cause(error: BaseException) -> str:
    """Why a plug-in cannot be used."""
    if isinstance(error, ConfigError):
        return str(error)
    if isinstance(error, SystemExit):
        told = f" ({error})" if str(error) and not str(error).isdigit() else ""
        return (
            f"the plug-in ends the program{told} while it is read, by sys.exit or by reading the command line; "
            "put what is only for its own command under: if __name__ == '__main__':"
        )
    return f"the plug-in fails with {type(error).__name__}: {error}"


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let a plug-in import the files beside it: before all others while it is read, after them when its parts run."""
    place = str(folder)
    beside = {item.stem for item in folder.iterdir() if item.suffix == ".py" or (item / "__init__.py").is_file()}
    for name in beside & sys.modules.keys():  # of another plug-in's folder, with the same name
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and _origin(Path(file)) in _FOLDERS - {place}:
            del sys.modules[name]
    sys.path.insert(0, place)
    try:
        yield
    finally:
        sys.path.remove(place)
        if place not in _FOLDERS:
            _FOLDERS.add(place)
            sys.path.append(place)


def _origin(file: Path) -> str:
    """The folder in which a module, or the package that it is, was found."""
    return str(file.parent.parent if file.stem == "__init__" else file.parent)


def plugin_line(error: BaseException) -> str | None:
    """``file:line`` of the plug-in that ``error`` went through last; None when it went through none."""
    frames = traceback.walk_tb(error.__traceback__)
    places = [
        f"{frame.f_code.co_filename}:{line}"
        for frame, line in frames
        if str(frame.f_globals.get("__name__", "")).startswith(PLUGIN_PREFIX)
    ]
    return places[-1] if places else None


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Turn what a component raises about its values into ``ConfigError``: ``what: cause``.

    What a plug-in raises passes: its own line says more.
    """
    try:
        yield
    except (ValueError, TypeError, ArithmeticError, AssertionError, LookupError, RuntimeError) as error:
        if plugin_line(error) is not None:
            raise
        cause = str(error).strip().split("\n", 1)[0] or type(error).__name__
        raise ConfigError(f"{what}: {cause}; change its arguments") from error
