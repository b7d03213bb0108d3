"""What the side-by-side benchmarks share: contenders that take turns in fresh processes, and a table of medians.

A contender is a command. Where its last line is a JSON object, that is what it measured itself; the seconds and the
peak memory of the whole process are added. All of them compute on the device of ``--device``, which they find in
``DEVICE``, and find the number of the round in ``SEED``. torch is not imported here: a process inherits the peak memory
of the one that started it.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Column as TableColumn
from rich.table import Table

ROOT = Path(__file__).parents[1]
Taken = dict[str, Any]  # what one turn of a contender gave
Value = Callable[[Taken], float]


@dataclass(frozen=True)
class Contender:
    """A name for the table, and the arguments of a Python interpreter."""

    name: str
    arguments: Sequence[str]
    python: str = sys.executable


@dataclass(frozen=True)
class Column:
    """The median of ``value``; where ``against`` names a contender, that of each round's ratio to it."""

    title: str
    value: Value
    style: str = "{:.2f}"
    against: str | None = None


def parser(description: str | None, rounds: int = 5, *names: str) -> argparse.ArgumentParser:
    """A command line with ``--rounds``, also under other ``names``, and ``--device``.

    ``description`` is the module's docstring.
    """
    form = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser(description=description, formatter_class=form)
    help_ = f"{rounds} unless given"
    made.add_argument("--rounds", *names, dest="rounds", type=int, default=rounds, metavar="N", help=help_)
    made.add_argument("--device", type=_device, default="cpu", help="cpu (unless given), cuda, cuda:1, mps")
    return made


def _device(text: str) -> str:
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"'{text}' is none of cpu, cuda, cuda:1, mps")
    return text


def environment(device: str) -> dict[str, str]:
    """What tells a contender its device; of several GPUs it sees no other: each tool picks one in its own way."""
    if device == "mps":
        return {"DEVICE": device}
    kind, _, number = device.partition(":")
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    numbers = [name for name in seen.split(",") if name]
    chosen = int(number or 0)
    one = numbers[chosen] if chosen < len(numbers) else str(chosen)
    return {"DEVICE": kind, "CUDA_VISIBLE_DEVICES": one if kind == "cuda" else ""}


def machine(device: str = "cpu") -> str:
    """Processor, cores that may be used, what it has for low precision, torch, and how busy it was before."""
    info = Path("/proc/cpuinfo")
    pairs = (line.partition(":") for line in (info.read_text(encoding="utf-8") if info.is_file() else "").splitlines())
    facts = {name.strip(): value.strip() for name, _, value in pairs}
    flags = facts.get("flags", "").split()
    has = {"avx512": "avx512f", "avx512_bf16": "avx512_bf16", "amx": "amx_tile"}
    shown = ", ".join(f"{name} {'yes' if flag in flags else 'no'}" for name, flag in has.items())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = facts.get("model name", "unknown processor")
    return f"{name}, {cores} cores, {shown}, torch {version('torch')}, on {device}, load {os.getloadavg()[0]:.1f}"


def measure(contender: Contender, number: int, device: str = "cpu") -> Taken:
    """Turn ``number`` in a fresh process: its own JSON line, ``process`` in seconds, ``peak`` in MiB.

    Ends the benchmark with the last lines of what it printed when it fails.
    """
    told = os.environ | environment(device) | {"SEED": str(number)}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        start = time.perf_counter()
        command = [contender.python, *contender.arguments]
        process = subprocess.Popen(command, cwd=ROOT, env=told, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)  # of this process alone, and of those that it waited for
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        lines = out.read().splitlines()
    if process.returncode:
        sys.exit("\n".join([f"{contender.name} failed ({process.returncode}):", *lines[-15:]]))
    unit = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss, in a MiB
    objects = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    return {**(objects[-1] if objects else {}), "process": seconds, "peak": usage.ru_maxrss / unit}


def take_turns(contenders: Sequence[Contender], rounds: int, device: str = "cpu") -> dict[str, list[Taken]]:
    """What every contender gave in every round; the one that began a round ends the next."""
    taken: dict[str, list[Taken]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        first = number % len(contenders)
        for contender in [*contenders[first:], *contenders[:first]]:
            print(f"round {number + 1}/{rounds}: {contender.name}", file=sys.stderr, flush=True)
            taken[contender.name].append(measure(contender, number, device))
    return taken


def show(title: str, taken: Mapping[str, Sequence[Taken]], columns: Sequence[Column]) -> None:
    """Print a row for each contender."""
    table = new_table("", *(column.title for column in columns))
    for name, turns in taken.items():
        table.add_row(name, *(_cell(column, turns, taken) for column in columns))
    print_table(f"{title}, {_count(taken)}", table)


def new_table(first: str, *titles: str) -> Table:
    """A table whose first column, the names, is never broken."""
    return Table(TableColumn(first, no_wrap=True), *titles)


def print_table(title: str, table: Table) -> None:
    """The table under its title."""
    print(f"\n{title}")
    Console().print(table)


def _count(taken: Mapping[str, Sequence[Taken]]) -> str:
    rounds = len(next(iter(taken.values())))
    return "one round" if rounds == 1 else f"medians of {rounds} rounds"


def _cell(column: Column, turns: Sequence[Taken], taken: Mapping[str, Sequence[Taken]]) -> str:
    values = [column.value(turn) for turn in turns]
    if column.against is not None:
        others = [column.value(turn) for turn in taken[column.against]]
        values = [value / other for value, other in zip(values, others, strict=True)]
    return column.style.format(median(values))


def read_run(run: Path) -> tuple[list[Taken], Taken]:
    """The lines of metrics.jsonl and the result of a run of cnncli."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return lines, json.loads((run / "result.json").read_text())
