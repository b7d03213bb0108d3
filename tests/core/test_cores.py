"""The cores that a process may use: of the machine, of its own mask, and of its container's share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnncli.core import cores
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("text", "expected"),
    [("max 100000", []), ("150000 100000", [2]), ("50000 100000", [1]), ("400000 100000\n", [4]), ("nonsense", [])],
)
def test_a_container_s_share_of_processors_is_rounded_up(tmp_path: Path, text: str, expected: list[int]) -> None:
    limits = tmp_path / "cpu.max"
    limits.write_text(text)
    assert cores._container_share(limits) == expected
    assert cores._container_share(tmp_path / "missing") == []


@pytest.mark.parametrize(
    ("machine", "mask", "share", "usable"),
    [(8, 8, [], 8), (8, 3, [], 3), (8, 8, [2], 2), (8, 3, [5], 3), (2, 8, [5], 2), (None, 8, [], 1)],
)
def test_the_smallest_limit_counts(
    monkeypatch: pytest.MonkeyPatch, machine: int | None, mask: int, share: list[int], usable: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: machine)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(mask)), raising=False)
    monkeypatch.setattr(cores, "_container_share", lambda _: share)
    assert cores.usable_cores() == usable


def test_where_there_are_no_masks_the_other_limits_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    monkeypatch.setattr(cores, "_container_share", lambda _: [])
    assert cores.usable_cores() == 6


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux has masks")
def test_a_process_that_is_kept_on_one_core_uses_one() -> None:
    code = (
        "import os\nfrom cnncli.core.cores import usable_cores\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nprint(usable_cores())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert int(answer.stdout) == 1
