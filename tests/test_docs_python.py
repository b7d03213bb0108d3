"""docs/python.md: its code runs from top to bottom in an empty folder, also in the kernel of a notebook."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

from cnncli.core.registry import REGISTRIES
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "python.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def _no_part_stays() -> Any:
    yield
    for registry in REGISTRIES.values():
        registry.discard(lambda entry: entry.in_session)


def check(printed: str) -> None:
    """What the page's code prints, from first to last."""
    lines = printed.splitlines()
    assert 0.9 < float(lines[0]) <= 1
    assert lines[1] == "adam cross_entropy"
    assert lines[2].startswith("runs/digits-mlp/")
    assert lines[3] == "4"
    assert "top3" in printed
    assert "no such file or folder" in printed
    assert "setosa" in lines
    assert "torch.Size([3, 10]) True" in lines
    assert "141450 141450" in lines
    assert str(65 * 64 + 650) in lines
    assert "optimizer.lr: 'fast' should be a valid number" in printed


@pytest.mark.usefixtures("_no_part_stays")
@pytest.mark.slow
def test_the_code_of_the_page_runs_in_a_row() -> None:
    assert len(BLOCKS) >= 9
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in BLOCKS:
            exec(compile(block, "docs/python.md", "exec"), names)
    check(printed.getvalue())
    assert not list(Path().glob("*.yaml")), "nothing but runs and the picture"


@pytest.mark.slow
def test_it_runs_in_the_kernel_of_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    stop = "import os, signal, threading\nthreading.Timer(3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
    more = [
        "result",
        "report",
        "digits",
        "layers",
        f"{stop}try:\n    cnncli.train('digits', {{'train.epochs': 5000}}, name='stopped/here')\n"
        "except cnncli.Interrupted as error:\n    print(error.run_dir, *error.__notes__)",
        "import pathlib\nprint(pathlib.Path('runs/stopped/here/last.pt').is_file())",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in [*BLOCKS, *more]])
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [cell["outputs"] for cell in notebook["cells"]]
    streams = [output["text"] for cell in outputs for output in cell if output.get("name") == "stdout"]
    check("".join(streams))
    shown = [output["data"].get("text/html", "") for output in outputs[0] if output["output_type"] == "display_data"]
    assert sum("5/5" in html for html in shown) == 1, "a row for each epoch"
    assert all("ipywidgets" not in str(output) for cell in outputs for output in cell)
    for cell in outputs[len(BLOCKS) : len(BLOCKS) + 4]:
        assert "<table>" in cell[-1]["data"]["text/html"]
    assert streams[-2] == "runs/stopped/here in Python: cnncli.train(resume='runs/stopped/here')\n"
    assert streams[-1] == "True\n"
