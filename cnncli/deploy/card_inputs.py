"""What a model card says of the network's input: how a sample is prepared."""

from collections.abc import Callable
from typing import Any

from cnncli.core.spec import DataSpec
from cnncli.deploy.markdown import listed


def preprocessing(spec: DataSpec) -> list[str]:
    """How a sample becomes the network's input."""
    shape = "×".join(map(str, spec.input_shape))
    return [f"Input [{spec.kind.axes}]: N×{shape}", *_PREPROCESSING[spec.preprocess.kind](spec.preprocess)]


def _of_pictures(found: Any) -> list[str]:
    lines = []
    if found.decode is not None:
        size = "×".join(map(str, found.decode.size))
        lines = [f"Files: {found.decode.channels} channels, {size} pixels ({found.decode.fit}, "
                 f"{found.decode.interpolation}), of which the centre is cut out"]  # fmt: skip
    mean, std = (", ".join(f"{value:.5g}" for value in values) for values in (found.mean, found.std))
    return [*lines, f"Normalisation: (pixel / 255 − mean) / std with mean {mean} and std {std}"]


def _of_rows(found: Any) -> list[str]:
    numbers = [each.name for each in found.columns if each.categories is None and not each.date]
    categories = [each.name for each in found.columns if each.categories is not None]
    dates = [each.name for each in found.columns if each.date]
    told = {"Numbers, scaled by the mean and deviation of training": numbers,
            "Categories, one input for each value": categories, "Dates, split into parts": dates}  # fmt: skip
    return [f"{what}: {listed(names)}" for what, names in told.items() if names]


def _of_series(found: Any) -> list[str]:
    steps = [*(["logarithm"] if found.log else []),
             *([f"difference of {found.difference} steps"] if found.difference else []),
             "scaled by the mean and deviation of training"]  # fmt: skip
    return [f"Columns: {listed(found.columns)}", f"Forecast: {listed(found.targets)}", f"Values: {', '.join(steps)}"]


def _of_text(found: Any) -> list[str]:
    return [f"Vocabulary: {len(found.vocabulary):,} characters; all others become one that stands for the unknown"]


_PREPROCESSING: dict[str, Callable[[Any], list[str]]] = {
    "pictures": _of_pictures, "rows": _of_rows, "series": _of_series, "text": _of_text,
}  # fmt: skip
