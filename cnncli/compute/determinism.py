"""The same seed, the same weights on a GPU: torch's deterministic algorithms, and layers that have none done otherwise.

torch adds up many gradients on NVIDIA GPUs in whatever order its threads come in. What can be done in a fixed order
is done so; a few operations have no such way, and torch warns of them.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils import deterministic

from cnncli.core.notices import notice

_WORKSPACE, _REPEATABLE = "CUBLAS_WORKSPACE_CONFIG", (":4096:8", ":16:8")
_NONE, _PRODUCTS = "does not have a deterministic implementation", "because it uses CuBLAS"
_ATTENTION = "defaults to a non-deterministic algorithm"


def be_deterministic() -> None:
    """Let CUDA compute in a fixed order wherever it can, before it is used for the first time.

    What it cannot is allowed: it stays so until ``be_strict``. cuBLAS and cuDNN's recurrent networks need the
    workspace (torch's and cuBLAS's pages on reproducibility); a value of the user's own stays.
    """
    os.environ.setdefault(_WORKSPACE, _REPEATABLE[0])
    os.environ.setdefault("TORCHINDUCTOR_DETERMINISTIC", "1")  # read when the compiler is imported: for seconds
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    # a help against errors that costs a pass over all new memory
    setattr(deterministic, "fill_uninitialized_memory", False)  # noqa: B010  # which torch's annotations do not know
    torch.set_deterministic_debug_mode("warn")
    for text in (_NONE, _PRODUCTS, _ATTENTION):  # said in a notice, in one line
        warnings.filterwarnings("ignore", f"(?s).*{text}", UserWarning)


def be_free() -> None:
    """Undo ``be_deterministic`` for what follows in this process; what others have set stays."""
    if torch.get_deterministic_debug_mode() and torch.backends.cudnn.deterministic:
        torch.backends.cudnn.deterministic = False
        torch.set_deterministic_debug_mode("default")


def be_strict() -> None:
    """Refuse from now on what cannot be computed in a fixed order; only so attention is computed in one."""
    torch.set_deterministic_debug_mode("error")


class EvenMaxPool(nn.AdaptiveMaxPool2d):
    """The maximum over windows; where they are equal, by the kernel for such, whose gradient has a fixed order."""

    def forward(self, input: Tensor) -> Tensor:
        windows = _windows(input, self.output_size)
        return super().forward(input) if windows is None else F.max_pool2d(input, windows)


class EvenAvgPool(nn.AdaptiveAvgPool2d):
    """The mean over windows; where they are equal, by the kernel for such, else as two matrix products."""

    def forward(self, input: Tensor) -> Tensor:
        height, width = _output(input, self.output_size)
        if (height, width) == (1, 1):  # torch itself takes the mean
            return super().forward(input)
        windows = _windows(input, self.output_size)
        if windows is not None:
            return F.avg_pool2d(input, windows)
        rows, columns = _shares(input, -2, height), _shares(input, -1, width)
        return rows @ input @ columns.mT


def _output(input: Tensor, size: int | tuple[int | None, ...] | None) -> tuple[int, int]:
    """Height and width of what an adaptive pool gives."""
    height, width = size if isinstance(size, tuple) else (size, size)
    return height or input.shape[-2], width or input.shape[-1]


def _windows(input: Tensor, size: int | tuple[int | None, ...] | None) -> tuple[int, int] | None:
    """The size of all windows of an adaptive pool; None where they are unequal."""
    height, width = _output(input, size)
    (rows, above), (columns, left) = divmod(input.shape[-2], height), divmod(input.shape[-1], width)
    return None if above or left or not rows or not columns else (rows, columns)


def _shares(input: Tensor, axis: int, count: int) -> Tensor:
    """Which share each of the values along ``axis`` has in the mean of each of ``count`` windows, ``[count, values]``.

    The windows begin and end where torch's do.
    """
    values = input.shape[axis]
    numbers, places = torch.arange(count, device=input.device), torch.arange(values, device=input.device)
    begin, end = numbers * values // count, -(-(numbers + 1) * values // count)
    inside = (places >= begin[:, None]) & (places < end[:, None])
    return (inside / (end - begin)[:, None]).to(input.dtype)


_OTHERWISE: dict[type[nn.Module], type[nn.Module]] = {
    nn.AdaptiveMaxPool2d: EvenMaxPool,
    nn.AdaptiveAvgPool2d: EvenAvgPool,
}


def fix_order(model: nn.Module) -> None:
    """Change the layers of ``model`` whose gradients on a GPU have no fixed order, in place: same names, same results.

    Subclasses of the layers are left alone, and pools that return where their maxima were.
    """
    for module in model.modules():
        other = _OTHERWISE.get(type(module))
        if other is not None and not getattr(module, "return_indices", False):
            module.__class__ = other


@contextmanager
def noting_disorder() -> Iterator[list[str]]:
    """The operations inside that have no fixed order, by torch's names; empty where all have one."""
    found: list[str] = []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield found
    for warning in said:
        text = str(warning.message)
        if _NONE in text:
            found.append(text.partition(f" {_NONE}")[0])
        elif _PRODUCTS in text:
            found.append(f"matrix products with {_WORKSPACE}={os.environ.get(_WORKSPACE)}")
        elif _ATTENTION not in text:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    found[:] = dict.fromkeys(found)


def tell_disorder(model: nn.Module, operations: list[str]) -> None:
    """Say in one line which layers, or else which operations, keep a run from being the same a second time."""
    layers = [_layers(model, operation) or operation for operation in operations]
    notice(
        "determinism",
        f"no two runs on this GPU are the same to the last bit: torch has no fixed order for {', '.join(layers)}",
    )


def _layers(model: nn.Module, operation: str) -> str:
    """The layers of ``model`` that an operation such as adaptive_max_pool2d_backward_cuda is of."""
    plain = operation.replace("_", "").lower()
    kinds = {type(module).__name__ for module in model.modules() if type(module).__module__.startswith("torch.nn")}
    kind = max((kind for kind in kinds if plain.startswith(kind.lower())), key=len, default="")
    names = [name for name, module in model.named_modules() if type(module).__name__ == kind]
    return f"{kind} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})" if names else ""
