"""What TensorBoard shows of a network: its graph, and how its weights, gradients and activations are spread."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cnncli.config.sections import Config
from cnncli.runs.tensorboard import Board, Node
from cnncli.runs.tracking import Tracker
from cnncli.training.build import Experiment
from cnncli.training.features import whole
from cnncli.training.loading import loader_of
from cnncli.training.module_graph import module_graph, observed
from cnncli.training.network import example_inputs

MOST_VALUES = 2**15  # of a tensor that are counted: every so-manieth of a larger one
MOST_TENSORS = 60  # of weights, of gradients, and of activations
SAMPLES = 32  # whose activations are counted

Histograms = dict[str, npt.NDArray[np.float32]]


def show_start(experiment: Experiment, tracker: Tracker) -> None:
    """The graph of the network, before it is trained."""
    if experiment.config.logging.graph:
        tracker.show("graph", lambda board: board.graph(_graph(experiment)))


def show_epoch(experiment: Experiment, tracker: Tracker, activations: "Activations") -> None:
    """Histograms after an epoch, if it is one of those that have them."""
    epoch = experiment.state.epoch
    if not is_counted(experiment.config, epoch):
        return

    def draw(board: Board) -> None:
        for tag, values in {**_weights(whole(experiment.state.model)), **activations.of(experiment)}.items():
            board.histogram(tag, values, epoch)

    tracker.show("histograms", draw)


def is_counted(config: Config, epoch: int) -> bool:
    """Whether a finished epoch (from 1) is among the ``logging.histograms`` of the run, the last one of which is."""
    times, epochs = config.logging.histograms, config.train.epochs
    return times > 0 and (epochs - epoch) % -(-epochs // times) == 0


def _graph(experiment: Experiment) -> list[Node]:
    network = whole(experiment.state.model)
    return module_graph(network, example_inputs(experiment.data.spec, experiment.runtime.device))


def _weights(network: nn.Module) -> Histograms:
    """The weights, and what the last step of the epoch made of their gradients."""
    named = list(network.named_parameters())
    named = [named[place] for place in evenly(len(named), MOST_TENSORS)]
    found = {f"values_of_weights/{name}": _some(weight) for name, weight in named}
    gradients = ((name, weight.grad) for name, weight in named)
    dense = {name: grad for name, grad in gradients if grad is not None and not grad.is_sparse}
    return found | {f"values_of_gradients/{name}": _some(grad) for name, grad in dense.items()}


class Activations:
    """What the modules of a network answer to the same few validation samples, epoch after epoch."""

    def __init__(self) -> None:
        self._inputs: Tensor | None = None

    def of(self, experiment: Experiment) -> Histograms:
        """By the names and kinds of the modules that have no others inside, as ``0_Conv2d``."""
        network = experiment.state.eval_model
        if self._inputs is None:
            self._inputs = _few_inputs(experiment)
        modules = [(name, module) for name, module in network.named_modules() if not list(module.children())]
        leaves = [(f"{name}_{type(module).__name__}".strip("_"), module) for name, module in modules]
        leaves = [leaves[place] for place in evenly(len(leaves), MOST_TENSORS)]
        found: Histograms = {}

        def note(name: str, answer: object) -> None:
            first = answer[0] if isinstance(answer, tuple) else answer
            if isinstance(first, Tensor) and first.is_floating_point():
                found[f"values_of_activations/{name}"] = _some(first)

        handles = [
            module.register_forward_hook(lambda _module, _given, answer, name=name: note(name, answer))
            for name, module in leaves
        ]
        try:
            with observed(network), experiment.runtime.autocast():
                network(self._inputs)
        finally:
            for handle in handles:
                handle.remove()
        return found


def _few_inputs(experiment: Experiment) -> Tensor:
    """The first samples of validation, or of training where there is none, as the network gets them."""
    split = next(split for split in ("val", "train") if split in experiment.data.sources)
    loader = loader_of(experiment.data, split, experiment.runtime.device)
    inputs: Tensor = next(iter(loader.epoch(0)))[0][:SAMPLES]
    return inputs.clone()


def _some(values: Tensor) -> npt.NDArray[np.float32]:
    """The values of a tensor, evenly picked where there are many, on the host."""
    flat = values.detach().flatten()
    picked = flat[:: max(len(flat) // MOST_VALUES, 1)]
    return picked.to("cpu", torch.float32).numpy()


def evenly(count: int, most: int) -> list[int]:
    """At most so many of the numbers below ``count``, evenly spread."""
    return list(range(count)) if count <= most else [place * count // most for place in range(most)]
