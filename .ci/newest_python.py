"""Print the newest Python of this machine that pyproject.toml names, if it is newer than the one that runs this.

It may be on the PATH or among pyenv's. Nothing is printed where there is none.
"""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

NAMED = "Programming Language :: Python :: 3."
# a release of CPython with its global lock, which the wheels are built for, and all that an environment needs
USABLE = """\
import ensurepip, sys, sysconfig, venv
assert sys.implementation.name == "cpython" and sys.version_info.releaselevel == "final"
assert not sysconfig.get_config_var("Py_GIL_DISABLED")
"""


def newer_minors() -> list[int]:
    """Of the Pythons 3.x that the package says it runs on, each x above this one's, the highest first."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    minors = [int(line.removeprefix(NAMED)) for line in project["classifiers"] if line.startswith(NAMED)]
    return sorted((minor for minor in minors if minor > sys.version_info.minor), reverse=True)


def installed(minor: int) -> list[Path]:
    """Where a Python 3.``minor`` may be."""
    name = f"python3.{minor}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = [*map(Path, os.get_exec_path()), *pyenv.glob(f"versions/3.{minor}.*/bin")]
    return [folder / name for folder in folders if (folder / name).is_file()]


def usable(python: Path) -> bool:
    """Whether it runs: pyenv puts stand-ins on the PATH, also for versions that are not switched on."""
    try:
        return subprocess.run([python, "-c", USABLE], capture_output=True, check=False).returncode == 0
    except OSError:  # not executable here
        return False


if __name__ == "__main__":
    print(next((python for minor in newer_minors() for python in installed(minor) if usable(python)), ""))
