"""What the benchmark of the formats measures in a process of its own."""

import subprocess
import sys

import numpy as np

from tests.conftest import ROOT


def test_the_peak_memory_is_not_that_of_the_process_that_started_it() -> None:
    held = np.ones(80_000_000)  # 640 MB
    code = "from cnncli.deploy.timing import peak; print(peak())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert 5e6 < int(done.stdout) < held.nbytes / 2
