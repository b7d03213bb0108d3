"""What torch says about memory, workers and compilers, in one line with advice."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist

from cnncli.core.errors import RankLost, TrainingError

STEPS = "lower dataset.batch_size (train.accumulate keeps the effective size)"
PLACING = "use a smaller model, end what else uses the device, or set device: cpu"
DIST_ERRORS = (dist.DistError,) if dist.is_available() else ()
ANSWERING = "end what else uses the device, or set device=cpu"
_FULL = (
    "out of memory",  # CUDA's, and Metal's
    "can't allocate memory",
    "Invalid buffer size",  # Metal's word for a tensor larger than any may be
    "ALLOC_FAILED",  # cuBLAS, cuDNN and their kin, which allocate by themselves
    "ALLOCATION_FAILED",
)


@contextmanager
def explained(room: str = STEPS) -> Iterator[None]:
    """Turn torch's errors about what a user can fix into ``TrainingError``; all others pass.

    ``room`` is the advice for memory that does not suffice.
    """
    try:
        yield
    except (RuntimeError, ValueError) as error:  # torch.OutOfMemoryError is one; on the CPU there is only the text
        if "/gloo/transport/" in str(error) or isinstance(error, DIST_ERRORS):
            raise _rank_lost(error) from error
        cause = _cause(error, room)
        if cause is None:
            raise
        raise TrainingError(cause) from error


@contextmanager
def ranks_explained() -> Iterator[None]:
    """Turn whatever torch.distributed says of a rank that does not answer into ``RankLost``."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise _rank_lost(error) from error


def _rank_lost(error: Exception) -> RankLost:
    return RankLost(f"another rank has ended or cannot be reached ({_first(error)}); start again with --resume")


def _first(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:120]


def fewer_steps(batch_size: int, precision: str) -> str:
    """What helps where a training step takes too much memory."""
    half = "" if precision in ("bf16", "fp16") else ", or set precision: bf16"
    if batch_size == 1:
        return f"use a smaller model{half or ', or set device: cpu'}"
    return f"lower dataset.batch_size (now {batch_size:,}; train.accumulate keeps the effective size){half}"


def fewer_at_once(eval_batch_size: int) -> str:
    """What helps where an evaluation takes too much memory."""
    if eval_batch_size == 1:
        return ANSWERING
    return f"lower dataset.eval_batch_size (now {eval_batch_size:,})"


def _cause(error: Exception, room: str) -> str | None:
    """The line for ``error``; None where there is nothing better to say than torch does."""
    text, first = str(error), _first(error)
    if "Expected more than 1 value per channel" in text:
        return "BatchNorm cannot learn from batches of one sample; raise dataset.batch_size"
    if any(said in text for said in _FULL):
        return f"out of memory; {room}"
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return f"torch.compile failed ({first}); set compute.compile: off, or install a C++ compiler"
    if "could not create a primitive" in text:  # oneDNN has no fp16 for recurrent networks, say
        return f"this processor cannot compute the network in this precision ({first}); set precision: fp32"
    if "no kernel image is available" in text:
        return "this torch has no kernels for this GPU; install a torch for another CUDA version, or set device: cpu"
    if "does not have a deterministic implementation" in text:
        return f"{first.partition(' does not')[0]} has no fixed order on a GPU; set compute.deterministic: false"
    if "DataLoader worker" in text:
        return f"a data worker died ({first}); try dataset.workers: 0"
    if "does not support dense gradients" in text or "does not support sparse gradients" in text:
        return f"the optimizer and the model do not go together ({text}); use another"
    return None
