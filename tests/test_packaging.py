"""What pyproject.toml says of the package is true of its code."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIRED = {canonicalize_name(Requirement(line).name): Requirement(line) for line in PROJECT["dependencies"]}
OPTIONAL = {"timm", "safetensors"}  # imported where they are used, with an error that says how to install them
BROUGHT = {"pydantic-core": "pydantic"}  # pinned by the one that brings it


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
