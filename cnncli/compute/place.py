"""Which of several processes this one is, by the variables that torchrun or Slurm have set. Knows no torch."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cnncli.core.errors import ConfigError

OUTCOME = "CNNCLI_OUTCOME"  # a file of the launcher's: the exit code that ends the whole launch
LAUNCH = "CNNCLI_LAUNCH"  # the name of the launch, the same after a restart
RESTART = "CNNCLI_RESTART"  # how often the launch was begun again
_START = "start the ranks with --nproc, torchrun or srun"
_FIRST_PORT, _PORTS = 20_000, 20_000


@dataclass(frozen=True)
class Place:
    """Process ``rank`` of ``count``; on its own machine ``local`` of ``local_count``."""

    rank: int = 0
    count: int = 1
    local: int = 0
    local_count: int = 1
    launch: str = ""
    restarts: int = 0

    @property
    def again(self) -> bool:
        """Whether the launch was begun again after a rank had died."""
        return self.restarts > 0


def place(environ: Mapping[str, str] = os.environ) -> Place:
    """The place of this process; of one that was started alone the only one.

    Raises ``ConfigError`` where the variables contradict each other, or are none.
    """
    names = "RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE"
    try:
        if "RANK" in environ and "WORLD_SIZE" in environ:
            return _checked(_torchrun(environ), names)
        names = "SLURM_PROCID, SLURM_STEP_NUM_TASKS and SLURM_LOCALID"
        # sbatch and salloc tell how many tasks a job may have: only srun starts them, and says so
        if int(environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
            return _checked(_slurm(environ), names)
    except (ValueError, LookupError) as error:
        raise ConfigError(f"{names} are no place among ranks ({error}); unset them, or {_START}") from error
    return Place()


def _torchrun(environ: Mapping[str, str]) -> Place:
    count = int(environ["WORLD_SIZE"])
    launch = environ.get(LAUNCH, environ.get("TORCHELASTIC_RUN_ID", ""))
    if launch == "none":  # torchrun's word for a launch that was given no name: its process is the same after a restart
        launch = f"torchrun-{os.getppid()}"
    return Place(
        rank=int(environ["RANK"]),
        count=count,
        local=int(environ.get("LOCAL_RANK", environ["RANK"])),
        local_count=int(environ.get("LOCAL_WORLD_SIZE", count)),
        launch=launch,
        restarts=int(environ.get(RESTART, environ.get("TORCHELASTIC_RESTART_COUNT", "0"))),
    )


def _slurm(environ: Mapping[str, str]) -> Place:
    return Place(
        rank=int(environ["SLURM_PROCID"]),
        count=int(environ["SLURM_STEP_NUM_TASKS"]),
        local=int(environ["SLURM_LOCALID"]),
        local_count=_tasks_here(environ),
        launch=f"slurm-{environ.get('SLURM_JOB_ID', '0')}.{environ.get('SLURM_STEP_ID', '0')}",
        restarts=int(environ.get("SLURM_RESTART_COUNT", "0")),
    )


def _tasks_here(environ: Mapping[str, str]) -> int:
    """The tasks of this machine: of ``2(x3),1`` the first three have two each and the last has one."""
    counts: list[int] = []
    for part in environ.get("SLURM_STEP_TASKS_PER_NODE", environ["SLURM_STEP_NUM_TASKS"]).split(","):
        tasks, _, times = part.rstrip(")").partition("(x")
        counts += [int(tasks)] * int(times or 1)
    return counts[int(environ.get("SLURM_NODEID", "0"))]


def _checked(found: Place, names: str) -> Place:
    if not (0 <= found.rank < found.count and 0 <= found.local < found.local_count <= found.count):
        raise ConfigError(
            f"{names} contradict each other (rank {found.rank} of {found.count}, {found.local} of "
            f"{found.local_count} on this machine); {_START}"
        )
    return found


def meeting_point(environ: Mapping[str, str]) -> tuple[str, int]:
    """The host and port where the ranks of a Slurm step find each other: its first machine, a port by the job's id."""
    nodes = environ.get("SLURM_STEP_NODELIST", environ.get("SLURM_JOB_NODELIST", "localhost"))
    first = re.match(r"([^,\[]+)(?:\[(\d+)[^\]]*\]([^,]*))?", nodes)
    host = "localhost" if first is None else "".join(part or "" for part in first.groups())
    port = _FIRST_PORT + int(environ.get("SLURM_JOB_ID", "0")) % _PORTS
    return environ.get("MASTER_ADDR", host), int(environ.get("MASTER_PORT", port))
