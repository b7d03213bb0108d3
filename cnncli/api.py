"""cnncli from Python: each function takes what a command takes, and calls the same one function.

>>> import cnncli
>>> result = cnncli.train("digits", {"optimizer.lr": 1e-3})
>>> cnncli.load(result).predict("seven.png")
"""

import json
import multiprocessing
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from cnncli.config.catalog import fill_registries
from cnncli.config.merging import plain
from cnncli.config.sections import Config
from cnncli.core.callers import from_program
from cnncli.core.errors import ConfigError, Fault, Interrupted
from cnncli.core.files import user_path
from cnncli.core.notices import Notice, listening, notice, show
from cnncli.core.registry import session_parts
from cnncli.core.splits import parse_split

fill_registries()  # before anything else imports a room: what this session has registered stands aside meanwhile

from cnncli.compute.place import place  # noqa: E402
from cnncli.compute.ranks import join  # noqa: E402
from cnncli.config.checking import LoadedConfig  # noqa: E402
from cnncli.inference import evaluate as evaluation  # noqa: E402
from cnncli.inference import inspect as inspecting  # noqa: E402
from cnncli.inference.evaluate import Evaluation  # noqa: E402
from cnncli.inference.inspect import Layers  # noqa: E402
from cnncli.inference.loaded import Predictor  # noqa: E402
from cnncli.inference.predictor import load_predictor  # noqa: E402
from cnncli.runs.results import RunResult  # noqa: E402
from cnncli.training import configs, experiment  # noqa: E402
from cnncli.training.configs import ConfigSource  # noqa: E402
from cnncli.training.display import Display  # noqa: E402
from cnncli.training.new_run import begun_with, new_run, parse_name  # noqa: E402

AnyPath = str | os.PathLike[str]
AnyConfig = AnyPath | Mapping[str, Any] | Config
Overrides = Mapping[str, Any] | Sequence[str]
Trained = AnyPath | RunResult


def train(
    config: AnyConfig | None = None,
    overrides: Overrides = (),
    *,
    name: str | None = None,
    runs_dir: AnyPath = "runs",
    resume: Trained | bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> RunResult:
    """Train what a config describes; the run is written to ``runs_dir/NAME/ID``, as by ``cnncli train``.

    ``config`` is a YAML file, the name of a config that comes with cnncli, a dictionary or a ``Config``. ``overrides``
    override its keys: ``{"optimizer.lr": 0.01}`` or ``["optimizer.lr=0.01"]``. ``resume`` continues a run: its folder,
    a checkpoint, its result, or ``True`` for the newest. ``name`` is NAME or NAME/ID; with ``overwrite``, an existing
    run NAME/ID is replaced. With ``quiet``, nothing is printed. Raises ``CnncliError``; after Ctrl-C its subclass
    ``Interrupted``, and the run can then be continued.
    """
    with _calling(quiet):
        resuming = "latest" if resume is True else None if resume is False else str(_trained(resume, "last"))
        loaded, new, found = experiment.prepare(
            _source(config), _words(overrides), name, _path(runs_dir), resuming, overwrite
        )
        _tell(loaded)
        display = Display(quiet=quiet)
        if found is None:
            return experiment.train(loaded, new, display)
        return experiment.resume(*found, loaded, display)


def finetune(
    pretrained: Trained,
    config: AnyConfig | None = None,
    overrides: Overrides = (),
    *,
    data: AnyPath | None = None,
    weights: AnyPath | None = None,
    strategy: Literal["head", "last", "full", "gradual"] | None = None,
    name: str | None = None,
    runs_dir: AnyPath = "runs",
    overwrite: bool = False,
    quiet: bool = False,
) -> RunResult:
    """Fine-tune ``pretrained``, a torchvision network or a checkpoint, as ``cnncli finetune`` does.

    ``data`` is a folder of pictures, ``weights`` a file with the network's weights. Without a ``config`` the packaged
    recipe is used. ``name``, ``runs_dir``, ``overwrite`` and ``quiet`` are those of ``train``.
    """
    with _calling(quiet):
        run_name, run_id = parse_name(name)
        words = [*_words(overrides), *([f"name={json.dumps(run_name)}"] if run_name else [])]
        given = {"weights": None if weights is None else str(_path(weights)), "strategy": strategy}
        settings = {key: value for key, value in given.items() if value is not None}
        start = str(_trained(pretrained)) if isinstance(pretrained, RunResult) else os.fspath(pretrained)
        folder = None if data is None else _path(data)
        loaded = configs.load_finetune(start, _source(config), folder, settings, words, _path(runs_dir))
        _tell(loaded)
        set_anew = begun_with(start, settings, _words(overrides))
        new = new_run(_path(runs_dir), run_id, overwrite, set_anew)
        return experiment.train(loaded, new, Display(quiet=quiet))


def evaluate(
    trained: Trained,
    overrides: Overrides = (),
    *,
    split: Literal["test", "val", "train"] | None = None,
    data: AnyPath | None = None,
    by: str | None = None,
    tta: bool = False,
    plugins: Sequence[AnyPath] = (),
    quiet: bool = False,
) -> Evaluation:
    """Evaluate a checkpoint (a file, a run's folder or its result) on a split of its data, or on all of ``data``.

    Without ``split``, the test split is used, or the validation split if there is no test split. ``data`` is a folder
    or a file. ``by`` is a column of a table, or ``"folder"`` for pictures: each slice is evaluated separately, too.
    ``tta`` averages over several views of every picture. ``plugins`` are files that the checkpoint needs.
    """
    with _calling(quiet):
        wanted = None if split is None else parse_split(split)
        if data is not None and wanted not in (None, "test"):
            raise ConfigError("split and data exclude each other: all samples there are judged; leave one of them out")
        files = [_path(plugin) for plugin in plugins]
        predictor = load_predictor(_trained(trained), _words(overrides), files, views=tta, ranks=join())
        place = None if data is None else os.fspath(data)
        return evaluation.evaluate(predictor, wanted, Display(quiet=quiet), place, by)


def load(
    trained: Trained, overrides: Overrides = (), *, tta: bool = False, plugins: Sequence[AnyPath] = ()
) -> Predictor:
    """The network of a checkpoint (a file, a run's folder or its result), ready to answer.

    ``overrides`` override ``device``, ``precision``, ``task.threshold`` or keys of ``dataset``.
    """
    with _calling(quiet=False):
        files = [_path(plugin) for plugin in plugins]
        return Predictor(load_predictor(_trained(trained), _words(overrides), files, views=tta))


def inspect(
    config: AnyConfig, overrides: Overrides = (), *, input_shape: Sequence[int] | None = None, classes: int = 10
) -> Layers:
    """The layers of the network that a config describes: shapes, parameters, and how these are counted.

    With ``input_shape`` (channels, height, width) and ``classes`` no data are needed. For a trained network:
    ``cnncli.load(…).layers``.
    """
    with _calling(quiet=False):
        shape = None if input_shape is None else ",".join(map(str, input_shape))
        source = _source(config)
        assert source is not None
        return Layers(inspecting.inspect_config(source, _words(overrides), shape, classes))


def load_config(config: AnyConfig, overrides: Overrides = ()) -> Config:
    """A config, checked, with all its defaults filled in; ``train`` takes it."""
    with _calling(quiet=False):
        source = _source(config)
        assert source is not None
        return configs.load_config(source, _words(overrides)).config


def _source(config: AnyConfig | None) -> ConfigSource | None:
    if isinstance(config, Config):
        return config.model_dump(mode="json", exclude_unset=True)  # what follows from other keys stays open
    return config if config is None or isinstance(config, Mapping) else _path(config)


def _path(path: AnyPath) -> Path:
    return user_path(os.fspath(path))


def _trained(trained: Trained | bool, which: Literal["best", "last"] = "best") -> Path:
    if isinstance(trained, RunResult):
        return Path(trained.best if which == "best" else trained.last)
    assert not isinstance(trained, bool)
    return _path(trained)


def _words(overrides: Overrides) -> list[str]:
    """Overrides as the command line has them."""
    if isinstance(overrides, str):
        key = overrides.partition("=")[0]
        raise ConfigError(f"overrides are a dictionary or a list of strings; write {{{key!r}: …}}")
    if not isinstance(overrides, Mapping):
        return list(overrides)
    return [f"{key}={json.dumps(value, default=plain, ensure_ascii=False)}" for key, value in overrides.items()]


def _tell(loaded: LoadedConfig) -> None:
    """What loading left out or doubts; raises ``ConfigError`` for parts that other ranks would not find."""
    for text in loaded.notices:
        notice("config", text)
    if place().count > 1 and (parts := session_parts(_strings(loaded.config.model_dump(mode="json")))):
        advice = "several ranks need it in a file: put it there, and name the file under plugins"
        raise ConfigError(f"{parts[0]} is registered in this session; {advice}")


def _strings(value: Any) -> set[str]:
    if isinstance(value, dict | list):
        inside = value.values() if isinstance(value, dict) else value
        return {text for each in inside for text in _strings(each)}
    return {value} if isinstance(value, str) else set()


@contextmanager
def _calling(quiet: bool) -> Iterator[None]:
    """What surrounds every call: notices are shown, errors speak of Python rather than of a command line."""
    _refuse_restarted_script()
    fill_registries()
    try:
        with listening(_nothing if quiet else show), from_program():
            yield
    except ConfigError as error:
        error.faults = [_in_python(fault) for fault in error.faults]
        error.args = ("\n".join(map(str, error.faults)),)
        raise
    except Interrupted as error:
        if error.run_dir is not None:
            error.add_note(f"in Python: cnncli.train(resume={error.run_dir!r})")
        raise


def _in_python(fault: Fault) -> Fault:
    return replace(fault, where="overrides") if fault.where == "command line" else fault


def _refuse_restarted_script() -> None:
    """End a worker that has begun its script anew, which would train once more (the start method ``spawn``)."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        script = getattr(sys.modules.get("__mp_main__"), "__file__", None) or sys.argv[0]
        advice = "put what it does under: if __name__ == '__main__':"
        sys.exit(f"error: {script}: is run once more by each worker process; {advice}")


def _nothing(_found: Notice) -> None:
    pass
