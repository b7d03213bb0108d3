"""The installed package needs no clone: a wheel is built, installed in a new environment, used in an empty folder."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow


def run(*command: object, folder: Path, code: int = 0) -> str:
    """What a command prints, without this clone on Python's path."""
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=kept, capture_output=True, text=True, timeout=600)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a package is built from: building leaves files beside it."""
    copy = tmp_path_factory.mktemp("sources")
    for name in ("cnncli", "configs", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    return copy


def environment(place: Path, *package: object) -> Path:
    """The folder of programs of a new environment with ``package`` and the libraries that are here."""
    venv.create(place, symlinks=os.name != "nt")
    programs = place / ("Scripts" if os.name == "nt" else "bin")
    paths = {"base": str(place), "platbase": str(place)}
    own = Path(sysconfig.get_path("purelib", "nt_venv" if os.name == "nt" else "posix_venv", paths))
    # a folder that a .pth file names is not searched for .pth files: how cnncli is installed here is not seen
    (own / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", programs / "python", "--disable-pip-version-check", "install"]
    run(*pip, "--no-deps", "--no-build-isolation", *package, folder=place)
    return programs


@pytest.fixture(scope="module")
def installed(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment in which the wheel is installed."""
    made = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps", "--no-build-isolation"]
    run(*pip, "--wheel-dir", made, sources, folder=made)
    (wheel,) = made.glob("*.whl")
    return environment(made / "environment", wheel)


def test_the_commands_work_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    where = run(installed / "python", "-c", "import cnncli; print(cnncli.__file__)", folder=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)
    listed = run(installed / "cnncli", "list", "configs", folder=tmp_path)
    names = {
        path.relative_to(ROOT / "configs").with_suffix("").as_posix() for path in (ROOT / "configs").rglob("*.yaml")
    }
    assert {line.split("\t")[0] for line in listed.splitlines() if "\t" in line} == names | {"name"}
    (tmp_path / "my.yaml").write_text(run(installed / "cnncli", "init", "digits", folder=tmp_path))
    run(installed / "cnncli", "config", "my.yaml", folder=tmp_path)
    run(installed / "cnncli", "train", "digits", "train.epochs=2", "--name", "digits/one", folder=tmp_path)
    assert (tmp_path / "runs" / "digits" / "one" / "result.json").is_file()
    refused = run(installed / "cnncli", "config", "configs/digits.yaml", folder=tmp_path, code=2)
    assert "did you mean 'digits'?" in refused


def test_the_code_of_the_python_page_runs_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "python.md").read_text()
    (tmp_path / "page.py").write_text("\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL)))
    assert "torch.Size([3, 10]) True" in run(installed / "python", "page.py", folder=tmp_path)


def test_an_editable_installation_finds_the_configs_of_the_clone(sources: Path, tmp_path: Path) -> None:
    clone = shutil.copytree(sources, tmp_path / "clone")
    programs = environment(tmp_path / "environment", "--editable", clone)
    (clone / "configs" / "added.yaml").write_text((clone / "configs" / "digits.yaml").read_text())
    assert "name: digits" in run(programs / "cnncli", "config", "added", folder=tmp_path)
