"""The house stays as it is drawn: imports go one way, the core knows no torch, files and functions stay small."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "cnncli"
FILES = sorted(PACKAGE.rglob("*.py"))
BELOW = {"core", "config"}
PARTS = {"data", "models", "tasks", "optim", "compute", "runs"}  # which do not know each other
ALLOWED = {
    "core": set(),
    "config": {"core"},
    **dict.fromkeys(PARTS, BELOW),
    "curate": {*BELOW, "data"},
    "scoring": {*BELOW, "runs"},
    "training": {*BELOW, *PARTS, "scoring"},
    "inference": {*BELOW, *PARTS, "scoring", "training"},
    "insight": {*BELOW, *PARTS, "scoring", "training", "inference"},
    "report": {*BELOW, *PARTS, "scoring", "training", "inference", "insight"},
    "deploy": {*BELOW, *PARTS, "scoring", "training", "inference", "insight", "report"},
    "api": {*BELOW, *PARTS, "training", "inference"},
    "cli": {*BELOW, *PARTS, "curate", "training", "inference", "insight", "report", "deploy"},
}


def imported(path: Path) -> set[str]:
    """Every module that a file imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room not in ALLOWED:
        return
    rooms = {name.split(".")[1] for name in imported(path) if name.startswith("cnncli.") and name.count(".") >= 1}
    assert (rooms & set(ALLOWED)) - {room} <= ALLOWED[room]


def test_no_file_imports_itself_by_way_of_others() -> None:
    files = [path for path in FILES if path.name != "__init__.py"]  # a package only gathers what its files hold
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in files}
    left = {name: (imported(path) & names.keys()) - {name} for name, path in names.items()}
    while leaves := {name for name, uses in left.items() if not uses & left.keys()}:
        left = {name: uses for name, uses in left.items() if name not in leaves}
    assert not left, f"circle among {sorted(left)}"


def test_every_room_is_in_the_plan() -> None:
    assert {"api", *(path.parent.name for path in PACKAGE.glob("*/__init__.py"))} == set(ALLOWED)


def test_core_and_config_know_no_torch() -> None:
    modules = [f"cnncli.{room}.{path.stem}" for room in sorted(BELOW) for path in (PACKAGE / room).glob("*.py")]
    code = f"import sys\nfor name in {modules}: __import__(name)\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 40, node.name


def test_few_places_ask_which_kind_the_data_are_of() -> None:
    asks = re.compile(
        r"isinstance\([^)]*\b(Pictures|Table|Series|Text|kind)\b|\bkind\.name (not )?in|\.kind is |match spec\."
    )
    found = [
        f"{path.relative_to(ROOT)}:{number} {line.strip()}"
        for path in FILES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if asks.search(line)
    ]
    assert len(found) <= 8, "\n".join(found)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_engine_asks_for_no_task_and_the_loop_waits_for_nothing(path: Path) -> None:
    if path.name != "engine.py":
        return
    text = path.read_text()
    assert ".item()" not in text
    assert "print(" not in text
    assert "open(" not in text
    for task in ("classification", "regression", "binary", "forecasting", "language", ".name"):
        assert task not in text.lower()


def test_every_public_name_is_documented() -> None:
    missing = []
    for path in FILES:
        tree = ast.parse(path.read_text())
        for node in tree.body:
            public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if public and not ast.get_docstring(node):
                missing.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
        if path.name != "__init__.py" and not ast.get_docstring(tree):
            missing.append(str(path.relative_to(ROOT)))
    assert not missing


def test_files_are_read_and_written_in_a_named_encoding() -> None:
    """What ruff's PLW1514 misses where it does not see that a value is a ``Path``."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                named, where = {keyword.arg for keyword in node.keywords}, f"{path}:{node.lineno}"
                own = ast.unparse(node.func.value) == "table"  # an Output, which writes UTF-8
                assert "encoding" in named or own or node.func.attr not in ("read_text", "write_text"), where
                assert "encoding" in named or not named & {"text", "universal_newlines"}, where
