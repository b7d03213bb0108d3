"""What several ranks do together: they share the samples, and put together what each has seen."""

from torch import nn

from cnncli.compute.ranks import Ranks
from cnncli.compute.runtime import Runtime
from cnncli.core.errors import ConfigError, Fault
from cnncli.data.bundle import DataBundle
from cnncli.data.order import Share
from cnncli.tasks.protocol import Meter
from cnncli.training.network import example_inputs
from cnncli.training.saved_state import without_gradient


def share(data: DataBundle, runtime: Runtime) -> None:
    """Give this rank its part of the samples, and decode what must be: the others wait to find it.

    Raises ``ConfigError`` where a batch has too few samples for all.
    """
    ranks = runtime.ranks
    if ranks.count == 1:
        return
    size, least = data.config.batch_size, 2 * ranks.count
    if size < least:
        cause = f"{size} samples are the batch of all {ranks.count} ranks, and each of them needs two"
        raise ConfigError(Fault("", "dataset.batch_size", f"{cause}; set at least {least}"))
    data.share = Share(ranks.index, ranks.count)
    for split in data.sources:
        data.loader(split, runtime.device, embedded=False)


def parallel(model: nn.Module, data: DataBundle, runtime: Runtime) -> nn.Module:
    """``model`` as the one that all ranks train."""

    def some_are_unused() -> bool:
        example = example_inputs(data.spec, runtime.device)
        return bool(without_gradient(model, example if data.embed is None else data.embed(example)))

    return runtime.ranks.parallel(model, runtime.device, some_are_unused)


def combine(meter: Meter, ranks: Ranks) -> None:
    """Make ``meter`` the meter of all ranks, each of which has counted other samples.

    Call it once: what it has then are the sums of all.
    """
    if ranks.count == 1:
        return
    ranks.add_up(meter.totals())
    for kept in meter.rows():
        rows = ranks.gathered(kept.all() if len(kept) else None)
        if rows is not None:
            kept.become(rows)
    meter.samples = sum(ranks.of_all(meter.samples))
