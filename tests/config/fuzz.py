"""Mutated configs: each must load, or be refused in lines of its own, within seconds, and write nothing.

    python -m tests.config.fuzz 10000              # as many mutations, numbers 0 to 9999
    python -m tests.config.fuzz --only 4711        # show one of them
    python -m tests.config.fuzz 3000 --share 1     # all run by commands, the training part up to one batch
    python -m tests.config.fuzz --sweep            # every value of every config replaced by each of the nasty ones

A mutation depends on its number (and the share) alone, so that what fails can be run again.
"""

import argparse
import collections
import contextlib
import io
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import torch

from cnncli.cli.app import run
from cnncli.core.errors import CnncliError
from cnncli.training.configs import load_config, load_finetune
from tests.config.mutate import RUN_SHARE, Case, case, sweep
from tests.conftest import make_pictures

CPU_SECONDS = 6.0  # of the processor, so that a busy machine is no fault
MEMORY = 2 * 2**30  # more than there is now: a network of huge sizes is refused, on a large machine too
FINE = ("loaded", "refused")
PLUGIN = "from cnncli.core.registry import activations\nactivations.add('own', lambda: None, description='x')\n"


class TooSlow(BaseException):
    """A mutation took more time than anything in a config is worth."""


def _too_slow(signum: int, frame: FrameType | None) -> None:
    raise TooSlow


@contextlib.contextmanager
def limits() -> Iterator[None]:
    """Bounded memory for the process and a clock for each mutation; both, and torch's threads, as before at the end."""
    memory, threads = resource.getrlimit(resource.RLIMIT_AS), torch.get_num_threads()
    before = signal.signal(signal.SIGPROF, _too_slow)
    pages = Path("/proc/self/statm")
    if pages.exists():  # Linux tells how much there is now
        now = int(pages.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, memory[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, memory)
        signal.signal(signal.SIGPROF, before)
        torch.set_num_threads(threads)


def set_up(folder: Path) -> None:
    """Make ``folder``, and in it the files that the mutated configs name."""
    folder.mkdir()
    (folder / "base.yaml").write_text("train: {epochs: 3}\ndataset: digits\nmodel: mlp\n")
    (folder / "my_net.py").write_text(PLUGIN)
    rows = [f"{i},{i * i % 7},{'even' if i % 2 == 0 else 'odd'}" for i in range(40)]
    (folder / "rows.csv").write_text("\n".join(("a,b,kind", *rows)) + "\n")
    (folder / "series.csv").write_text("\n".join(("day,sold", *(f"2024-01-{i:02d},{i % 7}" for i in range(1, 32)))))
    (folder / "words.txt").write_text("to be or not to be, that is the question\n" * 20)
    make_pictures(folder / "photos", {"ants": 12, "bees": 12})
    named = [f"photos/{name}/{i:03d}.png,{name}" for name in ("ants", "bees") for i in range(12)]
    (folder / "photos.csv").write_text("\n".join(("path,label", *named)) + "\n")


def outcome(tried: Case, folder: Path) -> str:
    """One of ``FINE``, or what is wrong with the answer; to be called in ``folder``, inside ``limits``."""
    (folder / "c.yaml").write_bytes(tried.content)
    before = _files(folder)
    printed = io.StringIO()
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code, lines = _answer(tried, printed)
    except TooSlow:
        return f"too slow: {_where(sys.exc_info()[1])}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"traceback: {type(error).__name__}: {str(error)[:100]} {_where(error)}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    if code not in (0, 2, 3, 4, 5):
        return f"exit code {code}: {lines}"
    if (code == 0) != (not lines) or any(not line.isprintable() or len(line) > 1000 for line in lines):
        return f"odd lines: {[line[:200] for line in lines]}"
    if written := _files(folder) ^ before:
        return f"written: {written}"
    return "loaded" if code == 0 else "refused"


def _answer(tried: Case, printed: io.StringIO) -> tuple[int, list[str]]:
    """The exit code and the lines of the error."""
    if tried.command in ((), ("finetune",)):
        try:
            if tried.command:
                load_finetune("resnet18", Path("c.yaml"), None, {}, tried.overrides)
            else:
                load_config(Path("c.yaml"), tried.overrides)
        except CnncliError as error:
            return error.exit_code, error.lines()
        return 0, []
    command, *options = tried.command
    code = run([command, "c.yaml", *tried.overrides, *options])
    lines = printed.getvalue().splitlines()
    return code, [line for line in lines if line.startswith("error:")] if code else []


def _files(folder: Path) -> frozenset[str]:
    return frozenset(str(path) for path in folder.rglob("*") if path.name != "__pycache__" and path.suffix != ".pyc")


def _where(error: BaseException | None) -> str:
    """The last line of cnncli's own that an error came through."""
    frames = traceback.extract_tb(error.__traceback__ if error else None)
    own = [frame for frame in frames if "/cnncli/" in frame.filename]
    return " ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in own[-2:])


def main() -> int:
    """Run many mutations, print what went wrong with which of them, and a count of every outcome."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", type=int)
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--share", type=float, default=RUN_SHARE, help="of those that a command runs")
    asked = parser.parse_args()
    numbers = range(asked.first, asked.first + asked.count) if asked.only is None else [asked.only]
    cases = enumerate(sweep()) if asked.sweep else ((number, case(number, asked.share)) for number in numbers)
    counts: collections.Counter[str] = collections.Counter()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary, limits():
        folder = Path(temporary) / "here"  # so that '..' is empty, too
        set_up(folder)
        os.chdir(folder)
        os.environ["CNNCLI_CACHE"] = str(Path(temporary) / "cache")
        warnings.simplefilter("error")  # as pytest does
        for number, tried in cases:
            if asked.only is not None:
                print(tried.content.decode(errors="backslashreplace"), tried.overrides, tried.command)
            answer = outcome(tried, folder)
            counts[answer.partition(":")[0]] += 1
            if answer not in FINE or asked.only is not None:
                print(f"{number}: {answer}", flush=True)
    print(dict(counts), f"in {time.monotonic() - start:.0f} s")
    return int(not counts.keys() <= set(FINE))


if __name__ == "__main__":
    sys.exit(main())
