"""Weights that others have trained: where they lie, what pictures they expect, and how they get into a network."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from cnncli.core.errors import CheckpointError, ConfigError
from cnncli.models.downloads import fetch, timm_file
from cnncli.models.timm_zoo import check_architecture, import_timm

TIMM = "timm/"
_WRAPPERS = ("state_dict", "model", "model_state_dict")  # keys under which training programs put the weights
_PREFIXES = ("module.", "_orig_mod.", "1.")  # of nn.DataParallel, torch.compile, and the layer that makes RGB of grey


@dataclass(frozen=True)
class Expected:
    """The pictures that weights were trained on: ``resize`` before the centre of ``image_size``, and statistics."""

    image_size: int
    resize: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: Literal["bilinear", "bicubic"]


@dataclass(frozen=True)
class Transfer:
    """What became of the tensors: how many were loaded, which are new, which were left out.

    ``parameters`` and ``statistics`` (of BatchNorm) are the numbers in those that were loaded.
    """

    loaded: int
    parameters: int
    statistics: int
    replaced: list[str]
    left_out: list[str]
    head: str = ""  # what became of the head where it was kept

    def __str__(self) -> str:
        names = [name for name in self.left_out if name not in self.replaced]
        left_out = f"; left out: {_few(names)}" if names else ""
        head = self.head or f"new: {_few(self.replaced)}"
        statistics = f" and {self.statistics:,} BatchNorm statistics" if self.statistics else ""
        return f"{self.loaded} tensors loaded ({self.parameters:,} parameters{statistics}); {head}{left_out}"


def is_published(name: str) -> bool:
    """Whether ``name`` is a network of torchvision's or ``timm/NAME``, whether or not timm has it."""
    return name.startswith(TIMM) or name in torchvision_names()


def torchvision_names() -> list[str]:
    """The networks of torchvision that classify pictures."""
    import torchvision.models

    names: list[str] = torchvision.models.list_models(module=torchvision.models)
    return names


def model_of(name: str, own: Sequence[str] = ()) -> dict[str, Any]:
    """The ``model`` section for a network of torchvision's or ``timm/NAME``.

    Raises ``ConfigError`` for others, with the nearest name; ``own`` names could have been meant as well.
    """
    if name.startswith(TIMM):
        check_architecture(name.removeprefix(TIMM))
        return {"name": "timm", "architecture": name.removeprefix(TIMM)}
    if not is_published(name):
        raise ConfigError(f"there are no pretrained weights of '{name}'; {_meant(name, own)}")
    return {"name": name}


def _meant(name: str, own: Sequence[str]) -> str:
    """The nearest of all names, else what can be named."""
    if near := get_close_matches(name.lower(), [*own, *torchvision_names()], n=1, cutoff=0.6):
        return f"did you mean '{near[0]}'?"
    runs = f" ({', '.join(own[:5])}{', …' * (len(own) > 5)})" if own else ""
    published = "a network of torchvision's (for example resnet18; see cnncli list models)"
    return f"name a checkpoint or run of your own{runs}, {published}, or timm/NAME"


def expected_by(name: str) -> Expected:
    """What the default weights of a torchvision name or ``timm/NAME`` were trained on; downloads nothing."""
    if name.startswith(TIMM):
        timm = import_timm()
        data = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name.removeprefix(TIMM)).to_dict())
        side = int(data["input_size"][-1])
        kind: Literal["bilinear", "bicubic"] = "bilinear" if data["interpolation"] == "bilinear" else "bicubic"
        return Expected(side, round(side / data["crop_pct"]), tuple(data["mean"]), tuple(data["std"]), kind)
    preset = _default_weights(name).transforms()
    mean, std = tuple(preset.mean), tuple(preset.std)
    if name in ("googlenet", "inception_v3"):
        # torchvision's pretrained ones turn ImageNet's statistics into these inside the network (transform_input)
        mean = std = (0.5, 0.5, 0.5)
    kind = "bicubic" if preset.interpolation.value == "bicubic" else "bilinear"
    return Expected(preset.crop_size[0], preset.resize_size[0], mean, std, kind)


def published_weights(name: str, file: Path | None, classes: int, channels: int) -> dict[str, Tensor]:
    """The weights of a torchvision name or ``timm/NAME``: from ``file``, else the default ones, downloaded once.

    Raises ``StorageError`` saying which file to place where when they cannot be downloaded, ``CheckpointError`` when
    the file cannot be read.
    """
    file = file_of_weights(name) if file is None else file
    if name.startswith(TIMM):
        return _timm_weights(name.removeprefix(TIMM), file, classes, channels)
    return read_weights(file)


def file_of_weights(name: str) -> Path:
    """The file with the default weights of a torchvision name or ``timm/NAME``, downloaded if it is not there yet.

    Raises ``StorageError`` saying which file to place where when it cannot be downloaded.
    """
    if not name.startswith(TIMM):
        return fetch([_default_weights(name).url])
    architecture = name.removeprefix(TIMM)
    check_architecture(architecture)
    return timm_file(import_timm().get_pretrained_cfg(architecture))


def _default_weights(name: str) -> Any:
    from torchvision.models import get_model_weights

    return get_model_weights(name).DEFAULT


def read_weights(file: Path) -> dict[str, Tensor]:
    """Names → tensors of a ``.pth``, ``.pt`` or ``.safetensors`` file. Nothing in the file can run code.

    Raises ``CheckpointError`` when it is missing, damaged, or holds something else.
    """
    try:
        if file.suffix == ".safetensors":
            content = _safetensors(file)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of files that are no weights: they are refused below
                content = torch.load(file, map_location="cpu", weights_only=True)
    except ConfigError:
        raise
    except FileNotFoundError:
        raise CheckpointError(f"{file}: no such file of weights; check the path") from None
    except Exception as error:  # damaged bytes make torch's readers raise nearly anything
        cause = str(error).strip().split("\n", 1)[0] or type(error).__name__
        if "weights_only" in cause.lower():
            cause = "it is not a file of torch.save, or holds more than tensors"
        raise CheckpointError(f"{file}: cannot be read ({cause}); download it again") from error
    for key in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise CheckpointError(f"{file}: holds no weights by their names; save model.state_dict()")
    return dict(content)


def _safetensors(file: Path) -> Any:
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise ConfigError(f"{file}: this format needs an extra; pip install safetensors") from None
    return load_file(file)


def _timm_weights(architecture: str, file: Path, classes: int, channels: int) -> dict[str, Tensor]:
    """As timm loads them, which knows how each of its files is to be converted; the head is a new one."""
    check_architecture(architecture)
    if file.suffix != ".npz":
        read_weights(file)  # timm's own answers to a damaged file are many
    try:
        model: nn.Module = import_timm().create_model(
            architecture,
            pretrained=True,
            num_classes=classes,
            in_chans=channels,
            pretrained_cfg_overlay={"file": str(file)},
        )
    except (OSError, RuntimeError, ValueError) as error:
        cause = str(error).split("\n", 1)[0] or type(error).__name__
        raise CheckpointError(f"{file}: does not fit timm/{architecture} ({cause}); name another file") from error
    return dict(model.state_dict())


def transfer(model: nn.Module, weights: Mapping[str, Tensor], head: str, what: str) -> Transfer:
    """Put ``weights`` into ``model``, all but those of the layer called ``head``, which stays as it is.

    Raises ``CheckpointError`` naming what does not fit: the weights are then of another network.
    """
    own = model.state_dict()
    weights = _renamed(weights, own)
    kept = {key for key in own if key.startswith(f"{head}.")}
    fitting = {k: v for k, v in weights.items() if k in own and k not in kept and v.shape == own[k].shape}
    wrong = [k for k in weights if k in own and k not in kept and k not in fitting]
    # counters of BatchNorm are not in old files, and nothing depends on them
    missing = [k for k in own if k not in weights and k not in kept and not k.endswith("num_batches_tracked")]
    if wrong or missing:
        shapes = [f"{k} is {tuple(weights[k].shape)}, not {tuple(own[k].shape)}" for k in wrong]
        found = "; ".join([*shapes[:2], *([f"{_few(missing)} missing"] if missing else [])])
        raise CheckpointError(f"{what}: does not fit the network ({found}); name the weights of this very network")
    model.load_state_dict(fitting, strict=False)
    left_out = [key for key in weights if key not in fitting]
    known = {name for name, _ in model.named_parameters()}
    parameters = sum(value.numel() for key, value in fitting.items() if key in known)
    statistics = sum(value.numel() for key, value in fitting.items() if key not in known)
    return Transfer(len(fitting), parameters, statistics, [key for key in own if key in kept], left_out)


def _renamed(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``weights`` under the names of ``own``: without the prefixes of wrappers, or with that of one of ours."""
    found = dict(weights)
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in found) and not all(key.startswith(prefix) for key in own):
            found = {key.removeprefix(prefix): value for key, value in found.items()}
    if all(key.startswith("1.") for key in own) and not all(key.startswith("1.") for key in found):
        found = {f"1.{key}": value for key, value in found.items()}
    return found


def fit_positions(weights: dict[str, Tensor], image_size: int, patch_size: int) -> dict[str, Tensor]:
    """Weights of a torchvision vision transformer with position embeddings for pictures of another size."""
    from torchvision.models.vision_transformer import interpolate_embeddings

    return dict(interpolate_embeddings(image_size, patch_size, weights))


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f", … ({len(names)} in all)" if len(names) > 4 else "")
