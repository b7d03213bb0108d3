"""Which device a config's ``device`` means; where it is not there, why, and what to do."""

import os
import platform
import warnings

import torch

from cnncli.compute.place import Place
from cnncli.core.errors import ConfigError, Fault
from cnncli.core.notices import notice

CPU = torch.device("cpu")
_OTHERWISE = "or set device: cpu"
_NEEDLESS = "compute capability"
"""What torch says of every GPU in the machine that it has no kernels for, also of those that nobody uses."""


def pick_device(name: str, where: Place = Place()) -> torch.device:
    """The device called ``name``; ``auto`` takes cuda, else mps, else cpu; of several ranks each takes the next card.

    Raises ``ConfigError`` when it is not there: nothing falls back silently.
    """
    if where.count > 1 and name != "cpu":
        return _device_of_rank(name, where)
    if name == "cpu":
        return CPU
    if name == "auto":
        return _best()
    if name == "mps":
        if fault := mps_fault():
            raise _missing(name, fault)
        return torch.device("mps")
    device = torch.device("cuda", torch.device(name).index or 0)
    if fault := cuda_fault():
        raise _missing(name, fault)
    count = torch.cuda.device_count()
    if device.index >= count:
        cards = "the only one is cuda:0" if count == 1 else f"there are cuda:0 to cuda:{count - 1}"
        raise _missing(name, f"{cards}{_visible()}; set device to one that is there")
    return device


def _device_of_rank(name: str, where: Place) -> torch.device:
    if name not in ("cuda", "auto"):
        raise ConfigError(Fault("", "device", f"{name} is one for all {where.count} ranks; set cuda, cpu or auto"))
    if name == "auto" and _best().type != "cuda":  # nothing else can exchange tensors
        return CPU
    return pick_device(f"cuda:{where.local % max(torch.cuda.device_count(), 1)}")


def _missing(name: str, cause: str) -> ConfigError:
    return ConfigError(Fault("", "device", f"there is no '{name}' here: {cause}"))


def _best() -> torch.device:
    """cuda, else mps, else cpu; a GPU that cannot be used is told."""
    available, said = _available()
    # a count that asks the driver's own library is above zero where the driver is there and does not fit
    broken = bool(said) or (not available and torch.cuda.device_count() > 0)
    if available or broken:
        if (fault := cuda_fault()) is None:
            return torch.device("cuda", 0)
        notice("device", f"training and answering on the CPU, although there may be a GPU: {fault}")
    return torch.device("mps") if mps_fault() is None else CPU


def cuda_fault() -> str | None:
    """Why no CUDA device can be used, and what to do; None where one can."""
    if not torch.backends.cuda.is_built():
        if platform.system() == "Darwin":
            return "Macs have no CUDA; set device: mps or auto"
        advice = f"install one for CUDA (https://pytorch.org/get-started/locally), {_OTHERWISE}"
        return f"this torch ({torch.__version__}) is built without CUDA; {advice}"
    _available()  # whose warning says less than what follows
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            torch.cuda.init()
    except Exception as error:  # torch raises errors of several kinds, and its own DeferredCudaCallError
        return _explained(str(error))
    for warning in said:
        _pass_on(warning)
    return None


def _available() -> tuple[bool, str]:
    """Whether torch sees a CUDA device, and what it says where it fails to look for one."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        return torch.cuda.is_available(), "".join(str(warning.message) for warning in said)


def _pass_on(warning: warnings.WarningMessage) -> None:
    """Say in one line what torch says in many of a GPU that it has no kernels for, and the rest as it is."""
    text = str(warning.message)
    if _NEEDLESS in text:
        first = text.strip().splitlines()[0].rstrip(".")
        notice("device", f"{first}; this torch ({torch.__version__}) may have no kernels for it")
    elif "CUDA capability" not in text:  # the same again
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def _explained(said: str) -> str:
    """What torch says where CUDA does not start, told apart, with what to do."""
    first = (said.strip() or "no reason given").splitlines()[0][:160]
    if "no NVIDIA driver" in said:
        return f"no NVIDIA driver is installed; install it if there is an NVIDIA GPU, {_OTHERWISE}"
    if "driver on your system is too old" in said:
        version = f"CUDA {torch.version.cuda}"
        advice = f"update the driver, install a torch for an older CUDA, {_OTHERWISE}"
        return f"the NVIDIA driver is too old for this torch ({torch.__version__}, {version}); {advice}"
    if "No CUDA GPUs are available" in said:
        if "CUDA_VISIBLE_DEVICES" in os.environ:
            return f"CUDA_VISIBLE_DEVICES={os.environ['CUDA_VISIBLE_DEVICES']} hides every GPU; change it, {_OTHERWISE}"
        advice = f"look at nvidia-smi (a container needs --gpus all), {_OTHERWISE}"
        return f"there is an NVIDIA driver, but no GPU; {advice}"
    return f"CUDA does not start ({first}); look at nvidia-smi, restart the machine, {_OTHERWISE}"


def _visible() -> str:
    """What hides some of the GPUs, in parentheses."""
    value = os.environ.get("CUDA_VISIBLE_DEVICES")
    return "" if value is None else f" (CUDA_VISIBLE_DEVICES={value})"


def mps_fault() -> str | None:
    """Why Apple's GPU cannot be used, and what to do; None where it can."""
    if torch.backends.mps.is_available():
        return None
    if platform.system() != "Darwin":
        return f"it is the GPU of a Mac, and this is {platform.system()}; set device: auto"
    if not torch.backends.mps.is_built():
        return f"this torch ({torch.__version__}) is built without it; install torch from PyPI, {_OTHERWISE}"
    mac = platform.mac_ver()[0]
    return f"torch {torch.__version__} cannot use the GPU of this Mac with macOS {mac}; update macOS, {_OTHERWISE}"
