"""The page in a browser: tables are sorted, classes change their order, and no error is told."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer

STEPS = """
const told = {};
addEventListener("error", (event) => { told.error = event.message; });
addEventListener("securitypolicyviolation", (event) => { told.refused = event.blockedURI; });
const sheets = [...document.querySelectorAll("table.sheet")];
const sheet = sheets.find((each) => each.tHead.rows[0].cells[0].querySelector("button"));
const first = () => [...sheet.tBodies[0].rows].map((row) => row.cells[0].textContent).join(",");
const button = sheet.querySelector("button");
told.given = first();
button.click();
told.up = first();
button.click();
told.down = first();
const matrix = document.querySelector("table.matrix");
const order = () => [...matrix.tBodies[0].rows].map((row) => row.dataset.n).join(",");
const heads = () => [...matrix.tHead.rows[0].cells].slice(1).map((cell) => cell.dataset.n).join(",");
const diagonal = () => [...matrix.tBodies[0].rows].every((row, i) => row.dataset.n === row.cells[i + 1].dataset.n);
const select = document.querySelector("select.order");
select.value = "wrong";
select.dispatchEvent(new Event("change"));
told.rows = order();
told.columns = heads();
told.square = String(diagonal());
document.title = "told " + JSON.stringify(told);
"""


@pytest.mark.slow
def test_tables_and_the_matrix_change_their_order(tiny: Path, cnncli: Callable[..., Answer]) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("needs chromium")
    assert cnncli("train", tiny, "--name", "tiny/one").code == 0
    assert cnncli("report", "tiny/one", "--brief", "--out", "page.html").code == 0
    page = Path("page.html").read_text()
    Path("tried.html").write_text(page.replace("</body>", f"<script>{STEPS}</script></body>"))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                 f"--user-data-dir={profile}", "--virtual-time-budget=3000", "--dump-dom"]  # fmt: skip
        address = Path("tried.html").resolve().as_uri()
        shown = subprocess.run([browser, *flags, address], capture_output=True, text=True, timeout=120)
    found = re.search(r"<title>told (\{.*?\})</title>", shown.stdout)
    assert found, shown.stdout[:500]
    told = dict(re.findall(r'"(\w+)":"([^"]*)"', found[1]))
    assert "error" not in told
    assert "refused" not in told
    assert told["up"].split(",") == sorted(told["given"].split(","))
    assert told["down"].split(",") == sorted(told["given"].split(","), reverse=True)
    assert sorted(told["rows"].split(",")) == sorted(map(str, range(10)))
    assert told["rows"] == told["columns"] != ",".join(map(str, range(10)))
    assert told["square"] == "true"
