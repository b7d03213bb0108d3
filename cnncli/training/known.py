"""What comes with cnncli so that a command need not import torch to know it: ``python -m cnncli.training.known``."""

import json
from collections.abc import Iterator
from typing import Any

import torch

from cnncli.config.catalog import fill_registries
from cnncli.config.recall import signatures, versions
from cnncli.config.shipped import SIGNATURES_FILE
from cnncli.core.errors import ConfigError
from cnncli.core.files import write_text
from cnncli.core.registry import models
from cnncli.core.spec import DataSpec, Pictures, Text
from cnncli.models.inspect import count_parameters
from cnncli.models.pretrained import torchvision_names

CLASSES = tuple(map(str, range(10)))
CHARACTERS = 65  # those of the Shakespeare that everybody uses
STATED = {
    "3×32×32": DataSpec((3, 32, 32), CLASSES, Pictures((0.0,) * 3, (1.0,) * 3)),
    "text, 128": DataSpec((128,), (), Text(tuple(map(chr, range(32, 32 + CHARACTERS)))), (128, CHARACTERS)),
}
"""What the networks of cnncli's own are counted for; the first that one takes."""


def known() -> str:
    """The content of ``signatures.json``."""
    fill_registries()
    return json.dumps({"versions": versions(), "signatures": signatures(), "sizes": sizes()}, indent=0) + "\n"


def sizes() -> dict[str, dict[str, Any]]:
    """Of each network its library, its parameters, the input that these are for, and the smallest one."""
    published = set(torchvision_names())
    return {name: _published(name) if name in published else _own(name) for name in models}


def _published(name: str) -> dict[str, Any]:
    from torchvision.models import get_model_weights

    weights = get_model_weights(name).DEFAULT
    (size,), smallest = weights.transforms().crop_size, weights.meta["min_size"]
    return {
        "library": "torchvision",
        "parameters": weights.meta["num_params"],
        "input": f"3×{size}×{size}",
        "smallest": "×".join(map(str, smallest)),
    }


def _own(name: str) -> dict[str, Any]:
    counted = next(_counted(name), {})
    return {"library": "cnncli", **counted}


def _counted(name: str) -> Iterator[dict[str, Any]]:
    if any(field.is_required() for field in models.get(name).arguments.model_fields.values()):
        return  # the size of a network made of one's own layers, or of timm's, is nothing that is known
    for stated, spec in STATED.items():
        try:
            with torch.random.fork_rng():
                yield {"parameters": count_parameters(models.build(name, spec)), "input": stated}
        except ConfigError:  # it takes other data
            continue


if __name__ == "__main__":
    write_text(SIGNATURES_FILE, known())
