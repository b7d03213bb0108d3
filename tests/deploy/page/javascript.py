"""The page's modules run by Node, where it is there."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

MODULES = ROOT / "cnncli" / "deploy" / "page" / "static" / "page"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="needs Node")


def javascript(folder: Path, code: str, given: object = None) -> Any:
    """What ``code`` assigns to ``found``, with ``given`` at hand; it imports modules from ``./page/``."""
    if not (folder / "page").is_dir():
        shutil.copytree(MODULES, folder / "page")
        (folder / "package.json").write_text('{"type": "module"}')
    (folder / "given.json").write_text(json.dumps(given))
    imports = [line for line in code.splitlines() if line.startswith("import ")]
    rest = [line for line in code.splitlines() if not line.startswith("import ")]
    program = [
        'import { readFileSync, writeFileSync } from "node:fs";', *imports,
        'const given = JSON.parse(readFileSync("given.json", "utf8"));', "let found;", *rest,
        'writeFileSync("found.json", JSON.stringify(found));',
    ]  # fmt: skip
    (folder / "program.js").write_text("\n".join(program))
    done = subprocess.run(["node", "program.js"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "found.json").read_text())
