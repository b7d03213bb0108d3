"""Whether a description of data is that of the data set which a config names, as far as this can be told unread."""

from dataclasses import replace
from typing import Any

from cnncli.config.sections import DatasetConfig
from cnncli.core.registry import datasets
from cnncli.core.spec import DataSpec, Pictures, Series, Text
from cnncli.data.image_folder import decoding

_PICTURES = ("image_size", "resize", "fit", "interpolation", "channels", "value_range")


def disagreement(config: DatasetConfig, spec: DataSpec) -> str | None:
    """Where ``spec`` differs from what the data set's arguments say, as ``entry: cause``; None where it does not.

    Raises ``ConfigError`` for arguments that contradict each other.
    """
    ours = config.name in datasets and datasets.get(config.name).factory.__module__.startswith("cnncli.")
    args = datasets.get(config.name).check(config.args) if ours else {}
    for entry, (found, said) in _both(args, spec).items():
        if found != said:
            return f"spec.{entry}: is {found}, by config.dataset it should be {said}"
    return None


def _both(args: dict[str, Any], spec: DataSpec) -> dict[str, tuple[Any, Any]]:
    """What spec and arguments say of the same things."""
    match spec.preprocess:
        case Pictures() as pictures if set(_PICTURES) <= set(args):
            decode, seen = decoding(*(args[name] for name in _PICTURES))
            if decode.value_range is None and pictures.decode is not None:  # the training part decided
                decode = replace(decode, value_range=pictures.decode.value_range)
            shape = (decode.channels, *seen)
            return {"preprocess.decode": (pictures.decode, decode), "input_shape": (spec.input_shape, shape)}
        case Series() as series if {"window", "horizon"} <= set(args):
            own = {f"preprocess.{key}": (getattr(series, key), args[key]) for key in ("period", "log", "difference")}
            window, horizon = (spec.input_shape[0], args["window"]), (spec.output_shape[0], args["horizon"])
            return {"input_shape.0": window, "output_shape.0": horizon, **own}
        case Text() if "block" in args:
            return {"input_shape.0": (spec.input_shape[0], args["block"])}
    return {}
