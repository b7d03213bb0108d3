"""Altered checkpoints used in processes of their own, forked from one that has no other threads.

Run by ``python -m benchmarks.altered_checkpoints``, which sets the process up for it.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch

from cnncli.core.errors import CnncliError
from cnncli.core.registry import models
from tests.runs import alter, cases
from tests.runs.bases import KINDS, WAYS, Base, kinds_for, make_base
from tests.runs.hostile import FILES

SECONDS = 120  # after which a process hangs
MEMORY = 1.2  # how much more than the good file's peak an altered one's may be
TRACEBACK = 99  # the exit code of anything but a line of explanation


@dataclass(frozen=True)
class Outcome:
    """What became of a process: exit code (negative: the signal that ended it), its line, its peak in MiB, seconds."""

    code: int
    line: str
    peak: float
    seconds: float


def forked(work: Callable[[], None]) -> Outcome:
    """``work`` in a process of its own, which prints nothing."""
    start = time.perf_counter()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _work(work, writing)
    os.close(writing)
    with os.fdopen(reading, errors="replace") as pipe:
        line = pipe.read()
    _, status, usage = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return Outcome(code, line, usage.ru_maxrss / 1024, time.perf_counter() - start)


def _work(work: Callable[[], None], writing: int) -> None:
    """In the child: ends it."""
    code = TRACEBACK
    try:
        signal.alarm(SECONDS)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        try:
            work()
            code, line = 0, ""
        except CnncliError as error:
            code, line = error.exit_code, "\n".join(error.lines())
        except BaseException as error:
            line = "".join(traceback.format_exception(error))[-1500:]
        os.write(writing, line.encode(errors="replace"))
    finally:
        os._exit(code)


class Tries:
    """The base runs in the working directory, and one altered file after the other."""

    def __init__(self) -> None:
        self.bases = {kind: make_base(kind, Path("runs")) for kind in KINDS}
        self.contents: dict[str, dict[str, Any]] = {}
        for kind, base in self.bases.items():
            self.contents[kind] = torch.load(base.last, weights_only=True)
            self.contents[kind].pop("sha256")
        list(models)  # torchvision's are imported now, not by every child
        self.path = Path("altered.pt").absolute()
        self.peaks: dict[tuple[str, str], float] = {}

    def good(self, way: str, kind: str) -> float:
        """The peak of the file as it was."""
        if (way, kind) not in self.peaks:
            alter.write(self.contents[kind], self.path)
            outcome = self._outcome(way, self.bases[kind])
            if outcome.code:
                raise SystemExit(f"the good {kind} cannot be used by {way}: {outcome}")
            self.peaks[way, kind] = outcome.peak
        return self.peaks[way, kind]

    def one(self, way: str, random: Random) -> tuple[str, bool, Outcome, float]:
        """What was altered, whether it does harm, what became of it, and its peak as a share of the good file's."""
        kind = random.choice(kinds_for(way))
        peak = self.good(way, kind)
        if random.random() < 0.1:
            name = random.choice(list(FILES))
            FILES[name](self.contents[kind], self.path, random)
            what, harmful = f"{kind}: {name}", True
        else:
            what, harmful = self._altered(way, kind, random)
        outcome = self._outcome(way, self.bases[kind])
        return what, harmful, outcome, outcome.peak / peak

    def _altered(self, way: str, kind: str, random: Random) -> tuple[str, bool]:
        while True:
            case = cases.draw(way, random)
            try:
                content, place = alter.altered(self.contents[kind], case.pattern, case.change, random)
            except alter.DoesNotApply:
                continue
            alter.write(content, self.path)
            return f"{kind}: {place or 'all'} ({case.change.__qualname__.partition('.')[0]})", case.harmful

    def _outcome(self, way: str, base: Base) -> Outcome:
        return forked(lambda: WAYS[way](base, self.path))


def run(count: int, seed: int, ways: list[str]) -> int:
    """Try ``count`` files, print a line for each way and each that went wrong; returns how many these are."""
    torch.set_num_threads(1)
    start, wrong = time.perf_counter(), 0
    tries = Tries()
    threads = len(os.listdir("/proc/self/task")) if Path("/proc/self/task").is_dir() else 1
    print(f"{count} altered checkpoints, seed {seed}, forked from a process of {threads} thread", flush=True)
    print(f"{'':10}{'refused':>9}{'loaded':>9}{'wrong':>7}{'peak':>7}{'slowest':>9}", flush=True)
    for number, way in enumerate(ways):
        random = Random(f"{seed} {way}")
        counts: dict[str, int] = defaultdict(int)
        most = slowest = 0.0
        for _ in range(count // len(ways) + (number < count % len(ways))):
            what, harmful, outcome, peak = tries.one(way, random)
            most, slowest = max(most, peak), max(slowest, outcome.seconds)
            counts["refused" if harmful else "loaded"] += 1
            if outcome.code != (4 if harmful else 0) or outcome.line.count("\n") or peak > MEMORY:
                counts["wrong"] += 1
                print(f"  {way}: {what}: exit {outcome.code}, {peak:.2f} × the memory: {outcome.line}", flush=True)
        found = f"{counts['refused']:9}{counts['loaded']:9}{counts['wrong']:7}"
        print(f"{way:10}{found}{most:7.2f}{slowest:8.1f}s", flush=True)
        wrong += counts["wrong"]
    print(f"{wrong} wrong in {time.perf_counter() - start:.0f} s", flush=True)
    return wrong


def main() -> None:
    """Read the command line; the exit code is 1 when anything went wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["CNNCLI_CACHE"] = str(Path(place, "cache"))
        os.chdir(place)
        sys.exit(bool(run(given.count, given.seed, given.ways)))


if __name__ == "__main__":
    main()
