"""The next character, at every position of a text."""

from math import exp, log
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from cnncli.config.sections import LossConfig
from cnncli.core.errors import ConfigError
from cnncli.core.registry import tasks
from cnncli.core.spec import DataSpec, Wants
from cnncli.tasks.losses import plain_loss
from cnncli.tasks.metrics import SummingMeter
from cnncli.tasks.protocol import Values


@tasks.register("language_modeling", suggests={"loss": "cross_entropy", "checkpoint.monitor": "val/loss"})
class LanguageModeling:
    """The next character: nats and bits per character, perplexity; baselines are unigram and bigram counts.

    ``targets`` are the blocks of the training part, int64 ``[N, T]``, one behind the other.
    """

    wants: ClassVar[Wants] = "characters"
    unit = "characters"
    output_shape: ClassVar[tuple[int, ...] | None] = None
    train_metrics: ClassVar[tuple[str, ...]] = ("loss", "bits_per_character", "perplexity")
    metrics: ClassVar[tuple[str, ...]] = train_metrics
    headline: ClassVar[str] = "bits_per_character"
    lower_is_better: ClassVar[frozenset[str]] = frozenset(train_metrics)

    def __init__(self, spec: DataSpec, loss: LossConfig, targets: Tensor, device: torch.device, /) -> None:
        self.size, self.device, self.train_targets = spec.num_outputs, device, targets
        if loss.class_weights is not None:
            raise ConfigError("loss.class_weights: characters are not weighted; remove it")
        modules = plain_loss("language_modeling", loss, ("cross_entropy",))
        self.loss_fn, self.eval_loss_fn = (module.to(device) for module in modules)
        self.decoding: dict[str, Any] = {}
        self.needs_validation = False

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

    def fit_decoding(self, meter: "LanguageMeter") -> None:
        """Nothing to choose: temperature and the like are options of ``generate``."""

    def baselines(self, targets: Tensor, inputs: Tensor | None) -> list[dict[str, Any]]:
        """Bigram and unigram frequencies of the training part, each count one higher so that none is zero."""
        text = self.train_targets.flatten().cpu()
        unigram = torch.bincount(text, minlength=self.size).double() + 1
        nats = -(unigram / unigram.sum()).log()[targets.cpu()].mean().item()
        found = [{"name": "unigram", **language_values(nats)}]
        if inputs is not None:
            pairs = torch.bincount(text[:-1] * self.size + text[1:], minlength=self.size**2)
            bigram = pairs.view(self.size, self.size).double() + 1
            probabilities = bigram / bigram.sum(1, keepdim=True)
            nats = -probabilities[inputs.cpu(), targets.cpu()].log().mean().item()
            found.insert(0, {"name": "bigram", **language_values(nats)})
        return found

    def details(self, meter: "LanguageMeter") -> dict[str, Any]:
        """Nothing beside the metrics."""
        return {}

    def predictions(self, outputs: Tensor) -> dict[str, list[Any]]:
        """The likeliest next character's id behind each text, of logits ``[N, T, V]``."""
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
