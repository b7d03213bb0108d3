"""What several ranks have seen, put together."""

from cnncli.compute.ranks import Ranks
from cnncli.tasks.protocol import Meter


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
