"""The next character, at every position of a text."""

from math import exp, log
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from cnncli.config.sections import LossConfig
from cnncli.core.registry import tasks
from cnncli.core.results import Baseline, Block, Values
from cnncli.core.spec import DataSpec, Wants
from cnncli.tasks.losses import plain_loss, refuse_class_weights
from cnncli.tasks.metrics import SummingMeter
from cnncli.tasks.protocol import Calibration


@tasks.register("language_modeling", suggests={"loss": "cross_entropy", "checkpoint.monitor": "val/loss"})
class LanguageModeling:
    """The next character: nats and bits per character, perplexity; baselines are unigram and bigram counts.

    Targets are blocks of character ids, int64 ``[N, T]``.
    """

    wants: ClassVar[Wants] = "characters"
    output_shape: ClassVar[tuple[int, ...] | None] = None
    train_metrics: ClassVar[tuple[str, ...]] = ("loss", "bits_per_character", "perplexity")
    metrics: ClassVar[tuple[str, ...]] = train_metrics
    headline: ClassVar[str] = "bits_per_character"
    lower_is_better: ClassVar[frozenset[str]] = frozenset(train_metrics)

    calibration_type: ClassVar[type[Calibration]] = Calibration
    needs_validation = False
    metrics_need_calibration = False

    def __init__(self, spec: DataSpec, loss: LossConfig, device: torch.device, /) -> None:
        self.size, self.device = spec.num_outputs, device
        self.text = torch.zeros(0, dtype=torch.int64)  # of the training part
        refuse_class_weights(loss, "characters are not weighted")
        self.loss_fn, self.eval_loss_fn = plain_loss("language_modeling", loss, "characters", device)
        self.calibration = Calibration()

    def fit(self, targets: Tensor) -> None:
        """Keep the blocks of the training part, int64 ``[N, T]``, one after the other, for the baselines."""
        self.text = targets

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over all characters: logits ``[B, T, V]``, targets ``[B, T]``; in nats."""
        result: Tensor = self.loss_fn(outputs.flatten(0, 1), targets.flatten())
        return result

    def weight(self, targets: Tensor) -> int:
        """Blocks; all have the same length."""
        return len(targets)

    def eval_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The same without label smoothing."""
        result: Tensor = self.eval_loss_fn(outputs.flatten(0, 1), targets.flatten())
        return result

    def meter(self, detailed: bool = False) -> "LanguageMeter":
        """A fresh accumulator."""
        return LanguageMeter(self.device)

    def calibrate(self, meter: "LanguageMeter") -> None:
        """Nothing to choose: temperature and the like are options of ``generate``."""

    def use(self, calibration: Calibration) -> None:
        """Nothing was chosen."""

    def baselines(self, targets: Tensor, inputs: Tensor | None) -> list[Baseline]:
        """Bigram and unigram frequencies of the training part, each count one higher so that none is zero."""
        text = self.text.flatten().cpu()
        unigram = torch.bincount(text, minlength=self.size).double() + 1
        nats = -(unigram / unigram.sum()).log()[targets.cpu()].mean().item()
        found = [Baseline("unigram", language_values(nats))]
        if inputs is not None:
            pairs = torch.bincount(text[:-1] * self.size + text[1:], minlength=self.size**2)
            bigram = pairs.view(self.size, self.size).double() + 1
            probabilities = bigram / bigram.sum(1, keepdim=True)
            nats = -probabilities[inputs.cpu(), targets.cpu()].log().mean().item()
            found.insert(0, Baseline("bigram", language_values(nats)))
        return found

    def blocks(self, meter: "LanguageMeter") -> list[Block]:
        """Nothing beside the metrics."""
        return []

    def answers(self, outputs: Tensor, targets: Tensor) -> None:
        """The probabilities of all characters at every position are too many."""

    def exported(self, outputs: Tensor) -> dict[str, Tensor]:
        """``logits`` ``[N, T, V]`` of the next character at each position, as they are."""
        return {"logits": outputs}

    def naming(self, outputs: Tensor) -> None:
        """There are no classes to name."""

    def predictions(self, outputs: Tensor) -> dict[str, list[Any]]:
        """The likeliest next character's id after each text, of logits ``[N, T, V]``."""
        return {"prediction": F.softmax(outputs[:, -1].float(), 1).argmax(1).tolist()}


class LanguageMeter(SummingMeter):
    """The sum of nats over characters, which are its samples."""

    def update(self, loss: Tensor, weight: Tensor | int, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch: its mean loss in nats, its blocks, logits ``[B, T, V]``, targets ``[B, T]``."""
        self.sums.add(loss=loss.detach() * weight, weight=weight)
        self.samples += targets.numel()

    def running(self) -> Values:
        """``loss`` and the headline."""
        values = self.compute()
        return {name: values[name] for name in ("loss", "bits_per_character")}

    def compute(self) -> Values:
        """``loss`` (nats per character), ``bits_per_character``, ``perplexity`` (e to the nats)."""
        return language_values(self.mean_loss())


def language_values(nats: float) -> Values:
    """The same figure in three units."""
    return {"loss": nats, "bits_per_character": nats / log(2), "perplexity": exp(min(nats, 700.0))}
