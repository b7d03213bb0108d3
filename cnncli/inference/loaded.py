"""A trained network in a Python program: it answers for files and for what is in memory."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from cnncli.config.sections import Config
from cnncli.core.errors import ConfigError, DataError
from cnncli.core.notices import listening, show
from cnncli.core.spec import Pictures, Table
from cnncli.data.columns import encode_rows
from cnncli.data.transforms import center
from cnncli.inference import generate as generation
from cnncli.inference.forecast import forecast, forecast_rows
from cnncli.inference.in_memory import pictures_of, rows_of, texts_of
from cnncli.inference.inspect import Layers
from cnncli.inference.predict import predict_rows, read_rows
from cnncli.inference.predict_pictures import decode_of, predict_pictures, read_asked
from cnncli.inference.predictor import Predictor as Answering
from cnncli.models.inspect import inspect_layers
from cnncli.training.display import Display
from cnncli.training.network import input_type

if TYPE_CHECKING:
    import pandas as pd


P = ParamSpec("P")
T = TypeVar("T")


def _telling(method: Callable[P, T]) -> Callable[P, T]:
    """The method with its notices shown."""

    @wraps(method)
    def call(*args: P.args, **given: P.kwargs) -> T:
        with listening(show):
            return method(*args, **given)

    return call


class WithPreprocessing(nn.Module):
    """A network behind its own preprocessing: uint8 pictures ``[N, C, H, W]`` → logits ``[N, K]``."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, size: tuple[int, int], preprocess: Pictures) -> None:
        super().__init__()
        self.model, self.size = model, size
        self.register_buffer("mean", torch.tensor(preprocess.mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(preprocess.std).view(-1, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        pixels = center(pictures, self.size).to(self.mean.device).float() / 255
        logits: Tensor = self.model((pixels - self.mean) / self.std)
        return logits


class Predictor:
    """A trained network with all that its answers need: ``cnncli.load`` gives one."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self.path: Path = answering.path
        self.config: Config = answering.config
        self.classes: tuple[str, ...] = answering.classes

    @property
    def model(self) -> nn.Module:
        """The network alone, in evaluation mode, on its device: ``preprocess(…)`` gives its inputs."""
        return self._answering.model

    @property
    def with_preprocessing(self) -> WithPreprocessing:
        """The network that takes ``pixels(…)``, uint8 ``[N, C, H, W]``, and normalises them itself.

        Raises ``ConfigError`` for a network that takes no pictures.
        """
        preprocess = self._answering.spec.require(Pictures, f"{self.path}: with_preprocessing")
        _, height, width = self._answering.spec.input_shape
        device = self._answering.runtime.device
        return WithPreprocessing(self.model, (height, width), preprocess).to(device).eval()

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self._answering.runtime.device

    @property
    def layers(self) -> Layers:
        """The network's layers: shapes and parameters."""
        spec = self._answering.spec
        return Layers(inspect_layers(self._answering.network, spec.input_shape, input_type(spec)))

    @_telling
    def predict(
        self, what: Any, *, top_k: int = 1, max_error: float | None = None, errors: Literal["raise", "keep"] = "raise"
    ) -> "pd.DataFrame":
        """The answers, a row each: ``prediction`` and what stands beside it.

        ``what`` are pictures (paths, folders, globs, Pillow's, arrays, tensors), rows (DataFrame, CSV file,
        dictionaries, array), a series (CSV file: as many steps beyond its end as the network gives), or texts to
        continue. With ``errors="keep"`` pictures that cannot be read have a row without an answer and a column
        ``error``; else they raise ``DataError``. ``top_k`` and ``max_error`` are for pictures.
        """
        if errors not in ("raise", "keep"):
            raise ConfigError(f"errors={errors!r}: write 'raise' or 'keep'")
        answer: dict[str, Callable[[], pd.DataFrame]] = {
            "pictures": lambda: self._pictures(what, top_k, max_error, errors == "keep"),
            "rows": lambda: predict_rows(self._answering, rows_of(what, self._table)),
            "series": lambda: self.forecast(data=what),
            "text": lambda: self._texts(what),
        }
        return answer[self._answering.spec.kind.name]()

    def _texts(self, what: Any) -> "pd.DataFrame":
        import pandas as pd

        given = texts_of(what)
        return pd.DataFrame({"prompt": given, "text": [self.generate(each) for each in given]})

    def _pictures(self, what: Any, top_k: int, max_error: float | None, keep: bool) -> "pd.DataFrame":
        import pandas as pd

        asked = pictures_of(what, decode_of(self._answering).channels)
        track = Display(quiet=True).track
        answers = predict_pictures(self._answering, asked, track, top_k=top_k, max_error=max_error)
        _refuse(answers.errors, keep)
        rows: dict[str, dict[str, Any]] = {path: {"error": cause} for path, cause in answers.errors.items()}
        for answer in answers.found:
            ranked = enumerate(answer.top, 1) if top_k > 1 else ()
            top = {key: value for n, item in ranked for key, value in zip((f"top{n}", f"p{n}"), item, strict=True)}
            rows[answer.path] = {**answer.columns, **top}
        names = [*asked.names, *asked.missing]
        frame = pd.DataFrame([rows[name] for name in names])
        if asked.held is None:
            frame.insert(0, "path", names)
        return frame

    @_telling
    def probabilities(self, what: Any) -> "pd.DataFrame":
        """The probability of every class, a column each, for pictures or rows; raises ``ConfigError`` for numbers."""
        import pandas as pd

        found = self._answering.probabilities(self._samples(what))
        return pd.DataFrame(found.numpy(), columns=pd.Index(self.classes))

    @_telling
    def logits(self, what: Any) -> Tensor:
        """What the network itself gives for pictures or rows, float32 ``[N, K]`` on the CPU."""
        return self._answering.logits(self._samples(what))

    @_telling
    def preprocess(self, what: Any) -> Tensor:
        """The network's inputs for pictures or rows, on its device: ``model(preprocess(what))`` gives logits."""
        return self._answering.inputs(self._samples(what))

    @_telling
    def pixels(self, what: Any) -> Tensor:
        """Pictures turned upright and brought to size, uint8 ``[N, C, H, W]``: what ``with_preprocessing`` takes."""
        found = list(self._read(what))
        _refuse({path: cause for *_, failed in found for path, cause in failed.items()}, keep=False)
        return torch.cat([images for _, images, _ in found])

    def _read(self, what: Any) -> Any:
        asked = pictures_of(what, decode_of(self._answering).channels)
        _refuse(asked.missing, keep=False)
        return read_asked(self._answering, asked, Display(quiet=True).track)

    def _samples(self, what: Any) -> Tensor:
        """Samples as the data room gives them."""
        kind = self._answering.spec.kind.name
        if kind in _INSTEAD:
            raise ConfigError(f"{self.path}: it learned from {kind}; use {_INSTEAD[kind]}")
        return {"pictures": self.pixels, "rows": self._encoded}[kind](what)

    def _encoded(self, what: Any) -> Tensor:
        return encode_rows(read_rows(self._answering, rows_of(what, self._table)), self._table, "rows")

    @property
    def _table(self) -> Table:
        return self._answering.spec.require(Table, f"{self.path}: rows", self._answering.advice)

    @_telling
    def generate(
        self,
        prompt: str = "",
        length: int = 500,
        *,
        temperature: float = 0.8,
        top_k: int | None = 40,
        top_p: float | None = None,
        beam: int | None = None,
        seed: int = 0,
    ) -> str:
        """The text that follows ``prompt``; raises ``ConfigError`` for a network that did not learn from text."""
        pieces = generation.generate(self._answering, prompt, length, temperature, top_k, top_p, beam, seed)
        return "".join(pieces)

    @_telling
    def forecast(self, steps: int | None = None, data: str | Path | None = None) -> "pd.DataFrame":
        """So many ``steps`` beyond the end of the series it was trained on, or of that in the file ``data``.

        A row for each step, with an interval; without ``steps`` as many as the network gives at once.
        """
        import pandas as pd

        if steps is None:
            steps = self._answering.spec.outputs[0]
        found, errors = forecast(self._answering, steps, None if data is None else Path(data))
        _refuse(errors, keep=False)
        return pd.DataFrame(forecast_rows(found))

    def __repr__(self) -> str:
        spec = self._answering.spec
        shape = "×".join(map(str, spec.input_shape))
        return f"<Predictor {self.path}: {self.config.model.name}, {shape} → {spec.num_outputs} outputs, {self.device}>"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self)[1:-1])}</p>{self.layers._repr_html_()}"


_INSTEAD = {"series": "forecast()", "text": "generate()"}


def _refuse(errors: dict[str, str], keep: bool) -> None:
    """Raise ``DataError`` for what cannot be answered for, unless it is kept beside the answers."""
    if errors and not keep:
        first, cause = next(iter(errors.items()))
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise DataError(f"{first}: {cause}{more}; leave it out, or give errors='keep' to predict()")
