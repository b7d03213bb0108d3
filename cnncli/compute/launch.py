"""``--nproc``: torchrun's agent started from within, and what its ending means as an exit code."""

import logging
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from cnncli.compute.place import LAUNCH, OUTCOME, RESTART, place
from cnncli.core.cores import usable_cores
from cnncli.core.errors import ConfigError, Interrupted, RankLost

PATIENCE = 30  # seconds in which ranks that are told to end write their checkpoint
ASKED = {signal.SIGINT, signal.SIGTERM}


def launch(processes: int, restarts: int, args: Sequence[str]) -> int:
    """Run ``cnncli`` with ``args`` in so many processes; the exit code that they agree on.

    Where a rank dies they are begun again up to ``restarts`` times, from the last checkpoint. Raises ``Interrupted``
    where the launch itself was told to end before the ranks could write anything, ``RankLost`` where a rank has died
    once too often.
    """
    if place().count > 1:
        raise ConfigError("--nproc starts the ranks, and torchrun or srun has done so already; leave one of them out")
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)  # what happens is told in a line below
    os.environ.setdefault("OMP_NUM_THREADS", str(max(usable_cores() // processes, 1)))
    os.environ[LAUNCH] = str(uuid.uuid4())
    with tempfile.TemporaryDirectory(prefix="cnncli-") as folder:
        outcome = Path(folder) / "outcome"
        os.environ[OUTCOME] = str(outcome)
        for attempt in range(restarts + 1):
            os.environ[RESTART] = str(attempt)
            failure = _attempt(processes, args)
            if outcome.is_file():  # the ranks have told what there is to tell
                return int(outcome.read_text(encoding="utf-8"))
            if failure is None:
                return 0
            told = _told(*failure, Path(f"{outcome}.hung"))
            if attempt < restarts:
                print(f"note: {told}; starting again, {attempt + 1} of {restarts} times", file=sys.stderr, flush=True)
    raise RankLost(f"{told}; go on with --resume, or let --max-restarts do it")


def _attempt(processes: int, args: Sequence[str]) -> tuple[int, ProcessFailure] | None:
    """Run all ranks to their end; None, or which one failed first, and how."""
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=processes, run_id=os.environ[LAUNCH], rdzv_backend="c10d",
        rdzv_endpoint="localhost:0", local_addr="localhost", max_restarts=0, shutdown_timeout=PATIENCE,
        signals_to_handle="SIGTERM,SIGINT",
    )  # fmt: skip
    try:
        elastic_launch(config, sys.executable)("-m", "cnncli", *args)
    except ChildFailedError as error:
        # those that a signal has killed first: the others fail because of them
        return min(error.failures.items(), key=lambda found: (found[1].exitcode > 0, found[1].timestamp))
    except SignalException as error:
        if not Path(os.environ[OUTCOME]).is_file():
            raise Interrupted("stopped before the ranks had anything to save", int(error.sigval)) from error
    return None


def _told(rank: int, failure: ProcessFailure, hung: Path) -> str:
    """What has happened to a rank; raises ``Interrupted`` where somebody wanted it to end."""
    if hung.is_file():
        cause = hung.read_text(encoding="utf-8")
        hung.unlink()
        return cause
    who = f"rank {rank} (process {failure.pid})"
    if failure.exitcode >= 0:
        return f"{who} ended with code {failure.exitcode}"
    if -failure.exitcode in ASKED:
        raise Interrupted(f"{who} was told to end before it had anything to save", -failure.exitcode)
    return f"{who} was killed by {signal.Signals(-failure.exitcode).name}"
