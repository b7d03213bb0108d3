"""Starting from a trained network: the config that follows from it, its weights, and which of them go on learning."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unicodedata import normalize

from torch import Tensor, nn

from cnncli.config.faults import without_weights
from cnncli.config.sections import Config, FinetuneConfig
from cnncli.config.yaml_source import Document
from cnncli.core.errors import CheckpointError, ConfigError, StorageError
from cnncli.core.files import user_path
from cnncli.core.registry import datasets
from cnncli.core.spec import DataSpec, Pictures
from cnncli.data.pictures import IMAGENET
from cnncli.models.blocks import find_blocks, find_head
from cnncli.models.pretrained import (
    TIMM,
    Transfer,
    expected_by,
    file_of_weights,
    fit_positions,
    is_published,
    model_of,
    published_weights,
    read_weights,
    transfer,
)
from cnncli.runs.checkpoint import Checkpoint, load_checkpoint
from cnncli.runs.references import RUNS, find_checkpoint, run_names
from cnncli.training.named_runs import settle_run
from cnncli.training.network import restore
from cnncli.training.sizes import naming_size


def is_checkpoint(pretrained: str) -> bool:
    """Whether ``finetune.pretrained`` names a file or run folder of your own rather than a published network."""
    path_like = len(Path(pretrained).parts) > 1 and not pretrained.startswith(TIMM)
    return path_like or pretrained.endswith((".pt", ".pth"))


def complete(document: Document, runs_dir: Path = RUNS) -> None:
    """Fill in what follows from ``finetune.pretrained``: the model, and the size and statistics of its pictures.

    Raises ``ConfigError`` for an unknown network or another model, ``CheckpointError`` for a checkpoint that cannot
    be read. What the document says itself about the pictures stays, and so does a config that was completed before.
    """
    section, dataset = document.data.get("finetune"), document.data.get("dataset")
    pretrained = section.get("pretrained") if isinstance(section, dict) else None
    if not isinstance(section, dict) or not isinstance(pretrained, str) or not isinstance(dataset, dict):
        return
    changed = {("finetune", "pretrained"), ("model", "name")} & document.replaced.keys()
    if section.get("completed") is True and not changed:
        return
    given = document.data.get("model")
    if given is not None and not isinstance(given, dict):
        return  # which is refused with the rest
    try:
        if not is_published(pretrained):  # no run of the same name takes the place of a published network
            settle_run(document, "finetune", "pretrained", runs_dir)
            pretrained = str(section["pretrained"])
        own = is_checkpoint(pretrained)
        model, pictures = _from_checkpoint(pretrained) if own else _published(pretrained, run_names(runs_dir))
    except (ConfigError, OSError) as error:  # a path that is too long, say
        raise ConfigError(document.fault(("finetune", "pretrained"), str(error))) from error
    if isinstance(given, dict) and given.get("name") != model["name"]:
        cause = f"is {given.get('name')}, the weights are of {model['name']}; leave model out"
        raise ConfigError(document.fault(("model", "name"), cause))
    document.data["model"] = {**model, **(given or {})}
    _channels_must_fit(document, pictures.get("channels"), pretrained)
    name = dataset.get("name")
    known = datasets.get(name).arguments.model_fields if isinstance(name, str) and name in datasets else {}
    if "image_size" in dataset or "resize" in dataset:
        pictures.pop("resize", None)
    for key, value in pictures.items():
        if key in known or key == "normalize":
            dataset.setdefault(key, value)
    section["completed"] = True


def _channels_must_fit(document: Document, channels: Any, pretrained: str) -> None:
    """Raise ``ConfigError`` where a config asks for another number of channels than a checkpoint has learned from."""
    said = document.data["dataset"].get("channels", channels)
    if channels is not None and said != channels:
        cause = f"is {said}, the network of {pretrained} has learned from {channels}; set {channels}, or leave it out"
        raise ConfigError(document.fault(("dataset", "channels"), cause))


def _published(name: str, runs: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The ``model`` section and the ``dataset`` keys for a network of torchvision's or timm's; ``runs`` are others."""
    model, expected = model_of(name, runs), expected_by(name)
    sizes = {"image_size": expected.image_size, "resize": expected.resize, "interpolation": expected.interpolation}
    statistics = {"mean": list(expected.mean), "std": list(expected.std)}
    named = {"imagenet": IMAGENET, "half": ((0.5,) * 3, (0.5,) * 3)}  # by name they are for grey pictures as well
    known = next((name for name, values in named.items() if values == (expected.mean, expected.std)), None)
    return model, {**sizes, "normalize": known or statistics}


def _from_checkpoint(pretrained: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same for a checkpoint of your own."""
    path = find_checkpoint(pretrained)
    checkpoint = load_checkpoint(path)
    restore(checkpoint)  # before its config becomes part of another: what does not go together is the file's fault
    try:
        preprocess = checkpoint.spec.require(Pictures, "fine-tuning", "begin from a network that has seen pictures")
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from error
    channels, *size = checkpoint.spec.input_shape
    statistics = {"mean": list(preprocess.mean), "std": list(preprocess.std)}
    pictures: dict[str, Any] = {"image_size": size, "channels": channels, "normalize": statistics}
    if preprocess.decode is not None:
        decode = preprocess.decode
        pictures |= {"resize": list(decode.size), "fit": decode.fit, "interpolation": decode.interpolation}
    return checkpoint.config.model.model_dump(mode="json"), pictures


def find_weights(config: Config) -> None:
    """Have the files that a new run begins with, downloaded if need be, before anything else takes its time.

    Raises ``StorageError`` when it cannot be had, ``CheckpointError`` when there is no such file.
    """
    settings = config.finetune
    if config.train.start_from is not None:
        find_checkpoint(config.train.start_from)
    if settings is None:
        return
    if settings.weights is not None:
        if not os.path.isfile(file := user_path(settings.weights)):
            raise CheckpointError(f"{file}: no such file of weights; check the path")
    elif not is_checkpoint(settings.pretrained):
        try:
            file_of_weights(settings.pretrained)
        except StorageError as error:
            network = "resnet18" if settings.pretrained.startswith(TIMM) else settings.pretrained
            raise StorageError(f"{error}; or train without pretrained weights: {without_weights(network)}") from error


def load_pretrained(model: nn.Module, config: Config, spec: DataSpec) -> Transfer:
    """Put the weights that ``config.finetune`` names into ``model``, all but the head.

    The head of a checkpoint of your own that tells the same classes apart comes along, unless a new one is asked for.
    Raises ``StorageError`` when they cannot be had, ``CheckpointError`` when they do not fit.
    """
    settings = config.finetune
    assert settings is not None
    head = find_head(model, spec.num_outputs)
    file = user_path(settings.weights) if settings.weights else None
    name = settings.pretrained
    if is_checkpoint(name):
        if file is not None:
            return transfer(model, read_weights(file), head, str(file))
        path = find_checkpoint(name)
        checkpoint = load_checkpoint(path)
        weights = restore(checkpoint).state_dict()
        found = naming_size(lambda own: transfer(own, weights, head, str(path)), model, checkpoint, config, spec)
        rows = None if settings.new_head else _same_classes(checkpoint, config, spec)
        return found if rows is None else _keep_head(model, weights, head, rows, found)
    channels = spec.input_shape[0]
    weights = published_weights(name, file, spec.num_outputs, channels)
    if config.model.name.startswith("vit_"):
        inner = model.get_submodule(head.removesuffix("heads.head").rstrip(".")) if head != "heads.head" else model
        weights = fit_positions(weights, spec.input_shape[1], int(inner.patch_size))  # type: ignore[arg-type]
    return transfer(model, weights, head, str(file or name))


def _same_classes(checkpoint: Checkpoint, config: Config, spec: DataSpec) -> list[int] | None:
    """Which output of the checkpoint stands for each class of ``spec``; None unless the classes are the same."""
    old, new = (tuple(normalize("NFC", name) for name in names) for names in (checkpoint.spec.classes, spec.classes))
    if not new or sorted(old) != sorted(new) or checkpoint.config.task.name != config.task.name:
        return None
    if checkpoint.spec.outputs != spec.outputs or spec.num_outputs != len(new):
        return list(range(spec.num_outputs)) if old == new and checkpoint.spec.outputs == spec.outputs else None
    return [old.index(name) for name in new]


def _keep_head(
    model: nn.Module, weights: Mapping[str, Tensor], head: str, rows: list[int], found: Transfer
) -> Transfer:
    """Put the ``rows`` of the head in ``weights`` into that of ``model``, in their order."""
    own = model.state_dict()
    kept = {key: weights[key][rows] for key in found.replaced if key in weights}
    if kept.keys() != set(found.replaced) or any(value.shape != own[key].shape for key, value in kept.items()):
        return found
    model.load_state_dict(kept, strict=False)
    order = "" if rows == sorted(rows) else ", in another order"
    told = f"the head {head} is kept (the same classes{order}; finetune.new_head: true begins with a new one)"
    left_out = [key for key in found.left_out if key not in kept]
    parameters = found.parameters + sum(value.numel() for value in kept.values())
    return Transfer(found.loaded + len(kept), parameters, found.statistics, [], left_out, told)


class Strategy:
    """Which parts of a network learn, epoch by epoch, and how fast."""

    def __init__(self, settings: FinetuneConfig, model: nn.Module, outputs: int) -> None:
        self.settings, self.model = settings, model
        self.head_name = find_head(model, outputs)
        self.head = model.get_submodule(self.head_name)
        self.blocks = find_blocks(model, self.head_name)
        if settings.strategy == "last" and settings.last > len(self.blocks):
            raise ConfigError(f"finetune.last: {settings.last} of {len(self.blocks)} blocks; lower it, or use full")
        learning = {"head": 0, "last": settings.last, "full": len(self.blocks), "gradual": len(self.blocks)}
        self.fixed = {id(p) for p in model.parameters() if not p.requires_grad}  # by the network's own design
        self.learning = self.blocks[len(self.blocks) - learning[settings.strategy] :]
        self._learn(self.learning)

    def groups(self, lr: float) -> list[dict[str, Any]]:
        """The optimizer's parameter groups: the head at ``lr``, then the blocks from the last to the first."""
        groups: list[dict[str, Any]] = [{"params": list(self.head.parameters()), "lr": lr}]
        rate = self.settings.backbone_lr or lr
        for number, block in enumerate(reversed(self.learning), 1 if self.settings.backbone_lr is None else 0):
            own = rate * self.settings.lr_decay**number
            if own == groups[-1]["lr"]:
                groups[-1]["params"] += block.parameters
            else:
                groups.append({"params": list(block.parameters), "lr": own})
        return groups

    def frozen_at(self, epoch: int) -> Sequence[nn.Module]:
        """Let the parameters of ``epoch`` (from 0) learn, and give the modules that must stay in evaluation mode.

        BatchNorm moves its statistics in every forward pass in training mode, whether or not its weights learn.
        """
        gradual = self.settings.strategy == "gradual" and epoch < self.settings.head_epochs
        learning = [] if gradual else self.learning
        self._learn(learning)
        if not learning:
            return [self.model]
        return [m for block in self.blocks[: len(self.blocks) - len(learning)] for m in block.modules]

    def _learn(self, learning: Sequence[Any]) -> None:
        self.model.requires_grad_(False)
        self.head.requires_grad_(True)
        for block in learning:
            for parameter in block.parameters:
                parameter.requires_grad_(id(parameter) not in self.fixed)
