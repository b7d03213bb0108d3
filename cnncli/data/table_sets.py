"""Tables that need no file: scikit-learn's small ones, and rows made from a line that is known."""

from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field

from cnncli.core.numbers import Count, NonNegative
from cnncli.core.registry import datasets
from cnncli.core.seeding import derive_seed
from cnncli.data.tables import TableData

if TYPE_CHECKING:
    import pandas as pd


@datasets.register("iris")
def iris() -> TableData:
    """150 irises of three species, four lengths in centimetres; needs no download (a fixed fifth is test)."""
    from sklearn.datasets import load_iris

    return _classes(load_iris(as_frame=True), "iris", "species")


@datasets.register("wine")
def wine() -> TableData:
    """178 wines of three growers, 13 chemical measurements; needs no download (a fixed fifth is test)."""
    from sklearn.datasets import load_wine

    return _classes(load_wine(as_frame=True), "wine", "grower")


@datasets.register("breast_cancer", suggests={"task": "binary"})
def breast_cancer() -> TableData:
    """569 tumours, benign or malignant, 30 measurements; needs no download (a fixed fifth is test)."""
    from sklearn.datasets import load_breast_cancer

    return _classes(load_breast_cancer(as_frame=True), "breast_cancer", "diagnosis")


@datasets.register("diabetes", suggests={"task": "regression"})
def diabetes() -> TableData:
    """442 patients, ten measurements, and the disease's progression to learn; needs no download."""
    from sklearn.datasets import load_diabetes

    bunch: Any = load_diabetes(as_frame=True, scaled=False)
    return _table(bunch.data.assign(progression=bunch.target), "diabetes", "progression")


def _classes(bunch: Any, name: str, target: str) -> TableData:
    names = [str(known) for known in bunch.target_names]
    return _table(bunch.data.assign(**{target: [names[label] for label in bunch.target]}), name, target)


def _table(frame: "pd.DataFrame", name: str, target: str) -> TableData:
    features = tuple(column for column in frame.columns if column != target)
    return TableData(frame, (target,), features, name=name)


@datasets.register("synthetic_linear", suggests={"task": "regression"})
def synthetic_linear(
    weights: Annotated[tuple[float, ...], Field(min_length=1)] = (2.0, -3.4),
    bias: float = 4.2,
    noise: NonNegative = 0.01,
    samples: Count = 1000,
    test_samples: Count = 200,
    seed: int = 0,
) -> TableData:
    """Rows made from known weights: y = Xw + b, and `noise` as the standard deviation of what is added to it."""
    import pandas as pd

    generator = torch.Generator().manual_seed(derive_seed(seed, "synthetic_linear"))
    rows = samples + test_samples
    inputs = torch.randn(rows, len(weights), generator=generator, dtype=torch.float64)
    errors = noise * torch.randn(rows, generator=generator, dtype=torch.float64)
    answers = inputs @ torch.tensor(weights, dtype=torch.float64) + bias + errors
    features = tuple(f"x{number}" for number in range(1, len(weights) + 1))
    frame = pd.DataFrame(inputs.numpy(), columns=list(features))
    frame["y"] = answers.numpy()
    frame["split"] = ["train"] * samples + ["test"] * test_samples
    return TableData(frame, ("y",), features, split_column="split", truth=(*weights, bias), name="synthetic_linear")
