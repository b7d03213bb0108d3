"""A network together with what stands before and after it: raw values in, answers for people out.

The modules here are what is exported. Each has the ``Port`` of its inputs and outputs in the order of its ``forward``,
and computes what ``inference.predictor.Predictor`` and the data room compute for the same samples, with tensors alone.
"""

import torch
from torch import Tensor, nn

from cnncli.core.spec import Pictures
from cnncli.data.transforms import center
from cnncli.deploy.from_rows import FromRows
from cnncli.deploy.from_series import FromSeries
from cnncli.deploy.ports import BATCH, STEPS, Port
from cnncli.inference.predict_pictures import decode_of
from cnncli.inference.predictor import Predictor
from cnncli.models.recurrent import RecurrentText
from cnncli.tasks.protocol import Task


class FromPixels(nn.Module):
    """``pixels`` uint8 ``[N, C, H, W]`` to the network's input: the centre, ``(pixel / 255 - mean) / std``."""

    mean: Tensor
    std: Tensor

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        pictures = predictor.spec.require(Pictures, "an export of pictures")
        decode = decode_of(predictor)
        _, height, width = predictor.spec.input_shape
        self.size = height, width
        self.ports = (Port("pixels", "uint8", (BATCH, decode.channels, *decode.size)),)
        self.register_buffer("mean", torch.tensor(pictures.mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(pictures.std).view(-1, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        return (center(pixels, self.size).float() / 255 - self.mean) / self.std


class FromIds(nn.Module):
    """``ids`` int64 ``[N, T]`` as they are."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.ports = (Port("ids", "int64", (BATCH, STEPS)),)

    def forward(self, ids: Tensor) -> Tensor:
        return ids


class Answering(nn.Module):
    """A network behind its preparation, with the task's own answers: raw inputs to the values of ``outputs``."""

    def __init__(self, prepare: "FromPixels | FromRows | FromIds", network: nn.Module, task: Task) -> None:
        super().__init__()
        self.prepare, self.network, self.task = prepare, network, task
        self.inputs: tuple[Port, ...] = prepare.ports

    def forward(self, *raw: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.task.exported(self.network(self.prepare(*raw))).values())


class Forecasting(nn.Module):
    """A network behind a raw ``window`` of a series: forecasts, and their interval, in the data's own unit."""

    def __init__(self, prepare: FromSeries, network: nn.Module) -> None:
        super().__init__()
        self.prepare, self.network = prepare, network
        self.inputs: tuple[Port, ...] = prepare.ports

    def forward(self, *raw: Tensor) -> tuple[Tensor, ...]:
        return self.prepare.undo(self.network(self.prepare(*raw)), *raw)


class Remembering(nn.Module):
    """A recurrent network of text that takes and gives its state: ids ``[N, T]`` to logits ``[N, T, V]``."""

    def __init__(self, network: RecurrentText) -> None:
        super().__init__()
        self.network = network
        body = network.body
        shape: tuple[int | str, ...] = (body.num_layers, BATCH, body.hidden_size)
        names = ("hidden", "cell") if isinstance(body, nn.LSTM) else ("hidden",)
        self.state = tuple(Port(name, "float32", shape) for name in names)
        self.inputs: tuple[Port, ...] = (Port("ids", "int64", (BATCH, STEPS)), *self.state)

    def forward(self, ids: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        logits, after = self.network.read(ids, state[0] if len(state) == 1 else (state[0], state[1]))
        return logits, *(after if isinstance(after, tuple) else (after,))


Graph = Answering | Forecasting | Remembering


def graph_of(predictor: Predictor) -> Graph:
    """The graph of a predictor on the CPU, in evaluation mode; with several views of each picture there is none."""
    return _MAKE[predictor.spec.kind.name](predictor).eval()


def _of_text(predictor: Predictor) -> Graph:
    if isinstance(predictor.network, RecurrentText):
        return Remembering(predictor.network)
    return Answering(FromIds(predictor), predictor.network, predictor.task)


_MAKE = {
    "pictures": lambda predictor: Answering(FromPixels(predictor), predictor.network, predictor.task),
    "rows": lambda predictor: Answering(FromRows(predictor.spec), predictor.network, predictor.task),
    "series": lambda predictor: Forecasting(FromSeries(predictor), predictor.network),
    "text": _of_text,
}


def outputs_of(graph: Graph, predictor: Predictor) -> tuple[Port, ...]:
    """The outputs, by what the graph gives for an example."""
    if isinstance(graph, Forecasting):
        shape = (BATCH, *predictor.spec.outputs)
        return tuple(Port(name, "float64", shape) for name in graph.prepare.gives)
    if isinstance(graph, Remembering):
        logits = Port("logits", "float32", (BATCH, STEPS, predictor.spec.num_outputs))
        return (logits, *(Port(f"{port.name}_after", port.dtype, port.shape) for port in graph.state))
    answers = predictor.task.exported(torch.zeros(1, *predictor.spec.outputs))
    first = (BATCH, STEPS) if predictor.spec.kind.every_position else (BATCH,)
    return tuple(
        Port(name, _DTYPES[values.dtype], (*first, *values.shape[len(first) :])) for name, values in answers.items()
    )


_DTYPES = {torch.float32: "float32", torch.float64: "float64"}
