"""A checkpoint as something that answers."""

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cnncli.compute.failures import ANSWERING, explained
from cnncli.compute.ranks import Ranks
from cnncli.compute.runtime import make_runtime
from cnncli.config.sections import Config
from cnncli.core.errors import ConfigError
from cnncli.core.registry import tasks
from cnncli.data.loaders import normalizer_for
from cnncli.inference.tta import averaged
from cnncli.runs.checkpoint import Checkpoint, load_checkpoint
from cnncli.runs.references import find_checkpoint
from cnncli.training.configs import restore_config
from cnncli.training.network import build_task, restore, use_calibration

# what may be set anew for a trained network; other splits would call training samples validation
SETTABLE = ("dataset.", "device=", "precision=", "compute.", "task.threshold=")
SPLIT_KEYS = ("dataset.val_fraction", "dataset.split_seed", "dataset.test_fraction")
BATCHES = (64, 4096)  # samples at a time: at least and at most,
LARGE = 2**24  # unless so many have more values than this


class Predictor:
    """Network, device, normalisation, class names, and the temperature and thresholds chosen on validation.

    With ``views`` every picture is judged by the mean of several views of it. A ``network`` that is given takes the
    place of the checkpoint's weights: it takes samples as the data room gives them.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        config: Config,
        views: bool = False,
        ranks: Ranks | None = None,
        network: nn.Module | None = None,
    ) -> None:
        self.path, self.spec, self.metrics = checkpoint.path, checkpoint.spec, checkpoint.metrics
        self.members = checkpoint.members
        self.config, self.classes, self.views = config, checkpoint.spec.classes, views
        self.as_trained = True  # whether data and task are as the run had them
        # first: what does not go together in the file is nobody else's fault
        own = restore(checkpoint, config) if network is None else network
        self.runtime = make_runtime(config.device, config.precision, config.seed, config.compute, ranks)
        self.task = build_task(config, self.spec, self.runtime.device)
        self.network: nn.Module = self.runtime.place(own).eval()
        traits = tasks.get(config.task.name).traits
        self.model = averaged(self.network, self.spec, traits) if views else self.network
        self._normalizer = normalizer_for(self.spec, self.runtime.device) if network is None else None

    @property
    def advice(self) -> str:
        """The command for data of its kind, where another was tried."""
        return f"use cnncli {self.spec.kind.command}"

    def logits(self, samples: Tensor) -> Tensor:
        """The network's answers, float32 ``[N, …]`` on the CPU.

        Samples are as the data room gives them: pictures uint8 ``[N, C, H, W]``, rows ``[N, F]`` and windows
        ``[N, T, F]`` float32 and scaled, characters int64 ``[N, T]``.
        """
        values = prod(self.spec.input_shape)
        least = max(min(BATCHES[0], LARGE // values), 1)
        size = min(max(self.spec.kind.eval_values // values, least), BATCHES[1])
        with explained(ANSWERING):
            return torch.cat([self._answer(part) for part in samples.split(size)])

    def inputs(self, samples: Tensor) -> Tensor:
        """What the network gets for such samples, on its device: pictures normalised, everything else as it is."""
        return samples.to(self.runtime.device) if self._normalizer is None else self._normalizer(samples)

    @torch.inference_mode()
    def _answer(self, samples: Tensor) -> Tensor:
        with self.runtime.autocast():
            outputs: Tensor = self.model(self.inputs(samples))
        return outputs.float().cpu()

    def probabilities(self, samples: Tensor) -> Tensor:
        """Float32 ``[N, K]`` in the order of ``classes``; raises ``ConfigError`` for a network without classes."""
        found = self.task.naming(self.logits(samples))
        if found is None:
            raise ConfigError(f"{self.path}: {self.config.task.name} gives no probabilities")
        return found.probabilities

    def rows(self, samples: Tensor) -> list[dict[str, Any]]:
        """What people want to read of each sample: ``prediction``, and ``probability_…`` where there are some."""
        columns = self.task.predictions(self.logits(samples))
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


@explained(ANSWERING)
def load_predictor(
    path: Path,
    overrides: Sequence[str] = (),
    plugins: Sequence[Path] = (),
    views: bool = False,
    ranks: Ranks | None = None,
) -> Predictor:
    """The predictor of a checkpoint, or of a run folder's best.pt; a threshold named anew takes the stored one's place.

    Several ``ranks`` can share what it judges; all other answers are those of one process.

    Plug-ins run only when the caller names them: a checkpoint cannot make a program run a file. Raises
    ``CheckpointError`` when the file is damaged or its network cannot be rebuilt, ``ConfigError`` for overrides that
    would make it another network.
    """
    checkpoint = load_checkpoint(find_checkpoint(path))
    wrong = [text for text in overrides if not text.startswith(SETTABLE) or text.startswith(SPLIT_KEYS)]
    if wrong:
        raise ConfigError(
            f"'{wrong[0]}' cannot change a trained network; "
            "only dataset.… (but for the splits), task.threshold, device, precision and compute.… can be set"
        )
    own = restore_config(checkpoint, plugins=plugins).config
    if any(text.startswith("task.threshold=") for text in overrides):
        chosen = [goal for goal in ("choose", "specificity", "costs") if own.task.args.get(goal) is not None]
        # what is named takes the place of what was chosen
        overrides = [*(f"task.{goal}=null" for goal in chosen), *overrides]
    # a checkpoint from a machine with a GPU and more cores is evaluated on what is here
    config = restore_config(checkpoint, ["device=auto", "dataset.workers=auto", *overrides], plugins).config
    predictor = Predictor(checkpoint, config, views, ranks)
    predictor.as_trained = not any(text.startswith(("dataset.", "task.")) for text in overrides)
    if config.task == own.task:
        use_calibration(predictor.task, checkpoint, views)
    return predictor
