"""A network as a head and the blocks before it, so that parts of it can be replaced, frozen, or learn more slowly."""

from dataclasses import dataclass

from torch import nn

from cnncli.core.errors import ConfigError

_LISTS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@dataclass
class Block:
    """Modules that follow each other and learn together; those without parameters belong to the one before."""

    name: str
    modules: list[nn.Module]
    parameters: list[nn.Parameter]


def find_head(model: nn.Module, outputs: int) -> str:
    """The name of the last layer that gives ``outputs`` values; raises ``ConfigError`` when there is none."""
    found = ""
    for name, module in model.named_modules():
        linear = isinstance(module, nn.Linear) and module.out_features == outputs
        if linear or (isinstance(module, nn.Conv2d) and module.out_channels == outputs):
            found = name
        elif list(module.parameters(recurse=False)) and not isinstance(module, _LISTS) and not list(module.children()):
            found = ""  # something with weights comes after it
    if not found:
        raise ConfigError(f"{type(model).__name__} does not end in a layer of {outputs} values, so no head is known")
    return found


def find_blocks(model: nn.Module, head: str) -> list[Block]:
    """Everything but the ``head``, in the order in which the network lists it: for most the order of the data.

    A block is what stands in a list of the network's (a residual block, an encoder layer), or a layer of its own;
    parameters that the network itself holds (class tokens, position embeddings) belong to the first.
    """
    found: list[Block] = []
    own: list[nn.Parameter] = []
    _collect("", model, head, False, found, own)
    learning = [block for block in found if block.parameters]
    if not learning:
        raise ConfigError("the network has nothing before its head; fine-tuning needs a backbone")
    learning[0].parameters[:0] = own
    return learning


def _collect(
    name: str, module: nn.Module, head: str, listed: bool, found: list[Block], own: list[nn.Parameter]
) -> None:
    """Add the blocks of ``module``; one that is ``listed`` is a block itself unless it is a list or holds the head."""
    if name == head:
        return
    is_list = type(module) in _LISTS
    holds_head = head.startswith(f"{name}.") if name else True
    # a wrapper is looked into while it holds lists; an item of a list is taken whole
    nested = any(type(m) in _LISTS for m in module.modules()) and not listed
    if is_list or holds_head or nested:
        own += module.parameters(recurse=False)
        for child, part in module.named_children():
            _collect(f"{name}.{child}" if name else child, part, head, is_list or listed, found, own)
    elif parameters := list(module.parameters()):
        found.append(Block(name, [module], parameters))
    elif found:
        found[-1].modules.append(module)
