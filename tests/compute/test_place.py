"""Which of several processes one is, by what torchrun or Slurm has set."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from cnncli.compute.place import Place, meeting_point, place
from cnncli.core.errors import ConfigError
from tests.conftest import Answer

TORCHRUN = {
    "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "job",
    "TORCHELASTIC_RESTART_COUNT": "1", "MASTER_ADDR": "gpu7", "MASTER_PORT": "29400",
}  # fmt: skip
SRUN = {
    "SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_STEP_NUM_TASKS": "8", "SLURM_LOCALID": "1", "SLURM_NODEID": "2",
    "SLURM_STEP_ID": "3", "SLURM_STEP_TASKS_PER_NODE": "2(x3),1,1", "SLURM_JOB_ID": "40017",
    "SLURM_STEP_NODELIST": "gpu[03-05,09],big1",
}  # fmt: skip


def test_alone() -> None:
    assert place({}) == Place()
    assert not place({}).again


def test_torchrun() -> None:
    assert place(TORCHRUN) == Place(3, 4, 1, 2, "job", 1)
    assert place(TORCHRUN).again
    assert place({**TORCHRUN, "TORCHELASTIC_RUN_ID": "none"}).launch == f"torchrun-{os.getppid()}"


def test_slurm() -> None:
    assert place(SRUN) == Place(5, 8, 1, 2, "slurm-40017.3", 0)
    assert place({**SRUN, "SLURM_NODEID": "4", "SLURM_LOCALID": "0"}).local_count == 1
    assert meeting_point(SRUN) == ("gpu03", 20_017)


def test_a_script_of_sbatch_is_one_process() -> None:
    """It has SLURM_NTASKS and SLURM_PROCID, too; only srun starts the tasks."""
    assert place({"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_JOB_ID": "7"}) == Place()


@pytest.mark.parametrize(
    ("nodes", "host"),
    [("n1", "n1"), ("n1,n2", "n1"), ("n[7-9]", "n7"), ("a[1,3]-ib,b2", "a1-ib"), ("rack-2-n[010-020]", "rack-2-n010")],
)
def test_the_first_machine_of_a_slurm_job(nodes: str, host: str) -> None:
    assert meeting_point({"SLURM_JOB_NODELIST": nodes}) == (host, 20_000)


@pytest.mark.parametrize("wrong", [{"RANK": "4"}, {"LOCAL_RANK": "2"}, {"LOCAL_WORLD_SIZE": "9"}])
def test_contradictions_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"contradict each other .* --nproc, torchrun or srun"):
        place({**TORCHRUN, **wrong})


@pytest.mark.parametrize("wrong", [{"RANK": "first"}, {"WORLD_SIZE": ""}, {"LOCAL_RANK": "?"}])
def test_what_is_no_number_is_refused_in_a_line(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"no place among ranks .*; unset them, or start the ranks with --nproc"):
        place({**TORCHRUN, **wrong})


def test_a_step_of_slurm_that_lacks_something_is_refused_in_a_line() -> None:
    with pytest.raises(ConfigError, match=r"SLURM_PROCID, .* no place among ranks \('SLURM_LOCALID'\)"):
        place({name: value for name, value in SRUN.items() if name != "SLURM_LOCALID"})


@pytest.mark.parametrize("wrong", [{"RANK": "9"}, {"RANK": "a"}])
def test_any_command_says_so(wrong: dict[str, str], cnncli: Callable[..., Answer], monkeypatch: Any) -> None:
    for name, value in {"WORLD_SIZE": "4", **wrong}.items():
        monkeypatch.setenv(name, value)
    answer = cnncli("list", "models")
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.complaint.splitlines()
    assert line.startswith("error: RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE ")
