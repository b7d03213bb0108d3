"""What pyproject.toml says of the package is true of its code."""

import ast
import os
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIRED = {canonicalize_name(Requirement(line).name): Requirement(line) for line in PROJECT["dependencies"]}
# imported where they are used, with an error that says how to install them
OPTIONAL = {"timm", "huggingface-hub", "safetensors", "pyarrow", "openpyxl", "captum",
            "fastapi", "uvicorn", "prometheus-client", "onnx", "onnxscript", "onnxruntime"}  # fmt: skip
# required by the one that brings it
BROUGHT = {"pydantic-core": "pydantic", "markupsafe": "jinja2", "starlette": "fastapi", "h11": "uvicorn"}


def imported() -> set[str]:
    """The first name of every module of others that the package imports, also inside functions."""
    found = set()
    for path in (ROOT / "cnncli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"cnncli"}


def test_what_the_package_imports_is_declared() -> None:
    distributions = packages_distributions()
    names = {canonicalize_name(distributions[module][0]) for module in imported()}
    assert {"torch", "numpy", "pyyaml"} <= names
    assert {BROUGHT.get(name, name) for name in names} - OPTIONAL <= set(REQUIRED)


def test_tensorboard_is_one_that_new_releases_of_setuptools_do_not_break() -> None:
    assert "2.20.0" not in REQUIRED["tensorboard"].specifier
    assert "2.21.0" in REQUIRED["tensorboard"].specifier


def newest_python(path: Path, pyenv: Path) -> str:
    """What CI takes for the newest Python where these are on the PATH and in pyenv's folder."""
    environment = {**os.environ, "PATH": str(path), "PYENV_ROOT": str(pyenv)}
    command = [sys.executable, ROOT / ".ci" / "newest_python.py"]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()


@pytest.mark.skipif(os.name == "nt", reason="needs shell scripts that can be run")
def test_ci_finds_the_newest_python_that_runs_and_that_the_package_names(tmp_path: Path) -> None:
    def install(folder: Path, minor: int, code: int = 0) -> Path:
        python = folder / f"python3.{minor}"
        folder.mkdir(parents=True, exist_ok=True)
        python.write_text(f"#!/bin/sh\nexit {code}\n")
        python.chmod(0o755)
        return python

    path, pyenv, this = tmp_path / "bin", tmp_path / "pyenv", sys.version_info.minor
    last = max(int(line.rpartition(".")[2]) for line in PROJECT["classifiers"] if ":: Python :: 3." in line)
    install(path, this)
    install(path, last + 1)
    assert newest_python(path, pyenv) == "", "neither this one nor one that nobody has tried"
    install(pyenv / "versions" / f"3.{last}.0" / "bin", last, code=1)
    install(path, last, code=127)  # as pyenv's stand-ins do
    assert newest_python(path, pyenv) == ""
    good = install(pyenv / "versions" / f"3.{last}.4" / "bin", last)
    assert newest_python(path, pyenv) == (str(good) if this < last else "")
