"""Weights that a script of somebody's own has saved: read safely, and paired with the entries of a network."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from cnncli.core.errors import CheckpointError, FitsInOrder
from cnncli.runs.archive import load_archive
from cnncli.training.network import weights_fault

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights")  # keys under which scripts put the weights
COUNTER = "num_batches_tracked"  # of BatchNorm: not in old files, and no answer depends on it
SHOWN = 3  # entries of each side in a message
SAVE = "write it with torch.save(model.state_dict(), FILE)"
_Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Pair:
    """An entry of the ``file`` and the one of the ``network`` that it becomes."""

    file: str
    network: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Pairing:
    """Which entry becomes which; ``by_order`` where the names are others, ``moved`` where the layers' order is, too."""

    pairs: tuple[Pair, ...]
    by_order: bool = False
    moved: bool = False


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights of a file of ``torch.save`` by their names, on the CPU, without the prefixes of wrappers.

    Nothing in the file can run code, or take more memory than the file has. Raises ``CheckpointError`` where it is
    missing, damaged, holds anything but tensors and plain values, or no weights.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files that hold no weights: they are refused below
            content = load_archive(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file of weights; check the path") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: cannot be read ({error}); {SAVE}") from error
    if isinstance(content, dict) and {"format", "cnncli", "sha256"} <= set(content):
        raise CheckpointError(f"{path}: is a checkpoint of cnncli's already; use it as it is")
    return _plain_names(_tensors(path, content))


def _tensors(path: Path, content: Any) -> dict[str, Tensor]:
    """The weights in the content of a file, whatever they are wrapped in."""
    while isinstance(content, dict):
        key = next((key for key in WRAPPERS if isinstance(content.get(key), dict)), None)
        if key is None:
            break
        content = content[key]
    if not isinstance(content, dict) or not content:
        _refuse(path, f"holds no weights by their names; {SAVE}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            known = ", ".join(WRAPPERS)
            _refuse(path, f"its entry {name} is no tensor, and there are no weights under {known}; {SAVE}")
    return dict(content)


def _plain_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """``weights`` without what DataParallel, torch.compile and averaged models put before each name."""
    found = {name.replace("_orig_mod.", ""): value for name, value in weights.items()}
    while (rest := {name for name in found if name != "n_averaged"}) and all(n.startswith("module.") for n in rest):
        found = {name.removeprefix("module."): found[name] for name in found if name in rest}
    return found


def _refuse(path: Path | str, cause: str) -> NoReturn:
    raise CheckpointError(f"{path}: {cause}")


def pair(weights: _Tensors, own: _Tensors, by_order: bool, path: Path) -> Pairing:
    """Which entry of ``weights`` becomes which of a network's ``own``: by name, or where it is asked for by order.

    Raises ``CheckpointError`` that names what does not fit on both sides, ``FitsInOrder`` where only the names do not.
    """
    named = _by_name(weights, own)
    if named is not None and all(_fits(weights[file], own[network]) for file, network in named):
        return Pairing(_pairs(named, own))
    found = _in_order(weights, own)
    if found is None:
        _refuse(path, f"{_unlike(weights, own)}; {_unlike_in_order(weights, own)}; {_ADVICE}")
    if not by_order:
        raise FitsInOrder(f"{path}: {_unlike(weights, own)}; in their order the entries fit")
    return found


_ADVICE = "write the script's network under model in the config"


def _pairs(names: Iterable[tuple[str, str]], own: _Tensors) -> tuple[Pair, ...]:
    place = {name: number for number, name in enumerate(own)}
    ordered = sorted(names, key=lambda each: place[each[1]])
    return tuple(Pair(file, network, tuple(own[network].shape)) for file, network in ordered)


def _fits(given: Tensor, own: Tensor) -> bool:
    return given.shape == own.shape and given.is_floating_point() == own.is_floating_point()


def _by_name(weights: _Tensors, own: _Tensors) -> list[tuple[str, str]] | None:
    """The names of each pair; None where the names differ by more than what stands before all of them."""
    theirs, ours = _bare(weights), _bare(own)
    needed = {name for name in ours if not name.endswith(COUNTER)}
    if not (needed <= theirs.keys() <= ours.keys()):
        return None
    return [(theirs[name], ours[name]) for name in theirs]


def _bare(names: Iterable[str]) -> dict[str, str]:
    """Each name by what is left of it without the modules that all of them lie in."""
    parts = {name: name.split(".") for name in names}
    while parts and all(len(each) > 1 for each in parts.values()) and len({each[0] for each in parts.values()}) == 1:
        parts = {name: each[1:] for name, each in parts.items()}
    return {".".join(each): name for name, each in parts.items()}


def _in_order(weights: _Tensors, own: _Tensors) -> Pairing | None:
    """Pairs by order and shape: entry by entry, else the first layer of each form with the first of that form, ….

    None where they do not fit. A script may make its layers in another order than they compute.
    """
    theirs, ours = _counted_out(weights), _counted_out(own)
    if len(theirs) != len(ours):
        return None
    flat = list(zip(theirs, ours, strict=True))
    straight = all(_fits(weights[file], own[network]) for file, network in flat)
    pairs = flat if straight else _by_layers(weights, own)
    if pairs is None:
        return None
    counters = [[name for name in side if name.endswith(COUNTER)] for side in (weights, own)]
    if straight and len(counters[0]) == len(counters[1]):
        pairs = [*pairs, *zip(*counters, strict=True)]
    return Pairing(_pairs(pairs, own), by_order=True, moved=not straight)


def _counted_out(entries: Iterable[str]) -> list[str]:
    return [name for name in entries if not name.endswith(COUNTER)]


def _by_layers(weights: _Tensors, own: _Tensors) -> list[tuple[str, str]] | None:
    """Each layer of the network with the next one of the file that has entries of the same shapes."""
    theirs, ours = _layers(weights), _layers(own)
    found: list[tuple[str, str]] = []
    for form, names in ours:
        match = next((layer for layer in theirs if layer[0] == form), None)
        if match is None:
            return None
        theirs.remove(match)
        found += zip(match[1], names, strict=True)
    return None if theirs else found


_Layer = tuple[tuple[str, ...], list[str]]


def _layers(entries: _Tensors) -> list[_Layer]:
    """The shapes and the names of each layer's entries, layer by layer."""
    grouped = groupby(_counted_out(entries), key=lambda name: name.rpartition(".")[0])
    layers = [list(names) for _, names in grouped]
    return [(tuple(_shape(entries[name]) for name in names), names) for names in layers]


def _unlike(weights: _Tensors, own: _Tensors) -> str:
    """What does not fit by name, on both sides."""
    named = _by_name(weights, own)
    pairs = named or [(name, name) for name in own if name in weights]
    wrong = [f"{file} is {_shape(weights[file])} in the file and {_shape(own[network])} in the network"
             for file, network in pairs if not _fits(weights[file], own[network])]  # fmt: skip
    extra = [] if named else [name for name in weights if name not in own]
    missing = [] if named else [name for name in _counted_out(own) if name not in weights]
    told = [
        _few("only the file has", [f"{name} ({_shape(weights[name])})" for name in extra]),
        _few("only the network has", [f"{name} ({_shape(own[name])})" for name in missing]),
        _few("", wrong),
    ]
    return f"does not fit the network by name: {'; '.join(filter(None, told))}"


def _unlike_in_order(weights: _Tensors, own: _Tensors) -> str:
    """What is left over on each side when layers of the same shapes are paired."""
    theirs, ours = _layers(weights), _layers(own)
    for layer in list(ours):
        match = next((each for each in theirs if each[0] == layer[0]), None)
        if match is not None:
            theirs.remove(match)
            ours.remove(layer)
    sides = {"the file": theirs, "the network": ours}
    told = [_few(f"left over in {side} are", list(map(_layer_words, layers))) for side, layers in sides.items()]
    return f"nor in its order: {'; '.join(filter(None, told)) or 'the entries of its layers are in another order'}"


def _layer_words(layer: _Layer) -> str:
    shapes, names = layer
    return f"{names[0].rpartition('.')[0] or names[0]} ({' and '.join(shapes)})"


def _few(what: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    more = f", … ({len(items)} in all)" if len(items) > SHOWN else ""
    return f"{what} {', '.join(items[:SHOWN])}{more}".strip()


def _shape(tensor: Tensor) -> str:
    shape = "×".join(map(str, tensor.shape)) or "a single number"
    return shape if tensor.is_floating_point() else f"{shape} whole numbers"


def paired(pairing: Pairing, weights: _Tensors, own: _Tensors, path: Path) -> dict[str, Tensor]:
    """The weights under the names, and in the types, of a network's ``own``; counters that are missing stay.

    Raises ``CheckpointError`` for numbers that no training leaves behind.
    """
    found = dict(own)
    for each in pairing.pairs:
        value = weights[each.file].to(own[each.network].dtype)
        if fault := weights_fault({each.network: value}, {each.network: own[each.network]}, "weights"):
            _refuse(path, f"{each.file}: {fault.partition(': ')[2]}; train again with a lower learning rate")
        found[each.network] = value
    return found


def narrowed(pairing: Pairing, weights: _Tensors) -> bool:
    """Whether numbers had more digits in the file than the network keeps."""
    return any(weights[each.file].dtype == torch.float64 for each in pairing.pairs)
