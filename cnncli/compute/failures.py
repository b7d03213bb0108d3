"""What torch says about memory, workers and compilers, in one line with advice."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch.distributed import DistError

from cnncli.core.errors import RankLost, TrainingError

ANEW = "start again with --resume"


@contextmanager
def explained() -> Iterator[None]:
    """Turn torch's errors about what a user can fix into ``TrainingError``; all others pass."""
    try:
        yield
    except (RuntimeError, ValueError) as error:  # torch.OutOfMemoryError is one; on the CPU there is only the text
        if "gloo" in str(error) or isinstance(error, DistError):
            raise RankLost(f"another rank has ended or cannot be reached ({_first(error)}); {ANEW}") from error
        cause = _cause(error)
        if cause is None:
            raise
        raise TrainingError(cause) from error


@contextmanager
def ranks_explained() -> Iterator[None]:
    """Turn whatever torch.distributed says of a rank that does not answer into ``RankLost``."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise RankLost(f"another rank has ended or cannot be reached ({_first(error)}); {ANEW}") from error


def _first(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:120]


def _cause(error: Exception) -> str | None:
    """The line for ``error``; None where there is nothing better to say than torch does."""
    text, first = str(error), _first(error)
    if "Expected more than 1 value per channel" in text:
        return "BatchNorm cannot learn from batches of one sample; raise dataset.batch_size"
    if "out of memory" in text or "can't allocate memory" in text:
        advice = "lower dataset.batch_size (train.accumulate keeps the effective size) or dataset.eval_batch_size"
        return f"out of memory; {advice}"
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return f"torch.compile failed ({first}); set compute.compile: off, or install a C++ compiler"
    if "could not create a primitive" in text:  # oneDNN has no fp16 for recurrent networks, say
        return f"this processor cannot compute the network in this precision ({first}); set precision: fp32"
    if "DataLoader worker" in text:
        return f"a data worker died ({first}); try dataset.workers: 0"
    if "does not support dense gradients" in text or "does not support sparse gradients" in text:
        return f"the optimizer and the model do not go together ({text}); use another"
    return None
