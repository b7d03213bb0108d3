"""Two thousand checkpoints altered and hashed anew, 400 each by eval, predict, inspect, finetune and resume:
``python -m benchmarks.altered_checkpoints``.

All that could harm must be refused with exit code 4, all others be loaded, with no traceback, crash or hang, and with
less than 1.2 times the memory of the file as it was. Each is used in a process of its own, forked from one without
other threads. ``--count``, ``--seed`` and ``--ways`` choose others.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ALONE = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def main() -> None:
    """Pass the command line on to a process that has one thread only."""
    if "--help" in sys.argv:
        print(__doc__)
        return
    environment = {**os.environ, **ALONE, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.runs.forked", *sys.argv[1:]]
    sys.exit(subprocess.run(command, env=environment, cwd=ROOT).returncode)


if __name__ == "__main__":
    main()
