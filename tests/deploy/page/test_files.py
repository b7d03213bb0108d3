"""The page's files: complete, as they were checked in, and with no word of any other host."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cnncli.core.errors import StorageError
from cnncli.deploy.page import files
from tests.conftest import ROOT

STATIC = ROOT / "cnncli" / "deploy" / "page" / "static"
OWN = sorted(path for path in STATIC.rglob("*") if path.is_file())
KNOWN = {"http://localhost:8000", "http://www.w3.org/2000/svg"}  # a sentence's, and the name of SVG


class Policy(HTMLParser):
    """Finds the content policy, and every address that the page itself names."""

    def __init__(self) -> None:
        super().__init__()
        self.policy, self.addresses = "", list[str]()

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if told.get("http-equiv") == "Content-Security-Policy":
            self.policy = told["content"] or ""
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


def test_write_page_writes_what_page_files_tells(tmp_path: Path) -> None:
    files.write_page(tmp_path)
    written = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert written == dict(files.page_files())
    assert {"index.html", "sw.js", "page/main.js", "ort/ort.wasm", "ort/LICENSE.txt"} <= written.keys()
    assert written["ort/ort.wasm"].startswith(b"\0asm")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "ort").write_text("a file where a folder has to be")
    with pytest.raises(StorageError, match=r"ort: cannot be made"):
        files.write_page(tmp_path)


@pytest.mark.parametrize(
    ("change", "cause"),
    [(lambda content: content[:-100], "cannot be unpacked"), (None, "is not the file that cnncli came with")],
)
def test_a_damaged_runtime_is_refused(
    change: object, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(STATIC.parent, tmp_path / "page")
    ort = tmp_path / "page" / "ort"
    good = (ort / "ort.js.xz").read_bytes()
    (ort / "ort.js.xz").write_bytes(change(good) if callable(change) else (ort / "ort-wasm.js.xz").read_bytes())
    monkeypatch.setattr(files, "files", lambda _package: tmp_path / "page")
    with pytest.raises(StorageError, match=cause):
        files.page_files()


def test_what_is_kept_for_offline_use_is_the_whole_page() -> None:
    (listed,) = re.findall(r"const FILES = \[(.*?)\];", (STATIC / "sw.js").read_text(), re.DOTALL)
    kept = json.loads(f"[{listed.strip().rstrip(',')}]")
    assert set(kept) - {"./"} == {*files.page_files(), "model.json", "model.onnx"} - {"sw.js"}


def test_the_content_policy_allows_no_other_host_and_no_code_from_texts() -> None:
    page = Policy()
    page.feed((STATIC / "index.html").read_text())
    rules = {words[0]: words[1:] for rule in page.policy.split(";") if (words := rule.split())}
    assert rules["default-src"] == ["'none'"]
    assert {source for sources in rules.values() for source in sources} <= {
        "'none'", "'self'", "data:", "blob:", "'wasm-unsafe-eval'"
    }  # fmt: skip
    assert rules["script-src"] == ["'self'", "'wasm-unsafe-eval'"]
    assert rules["connect-src"] == ["'self'"]
    assert page.addresses
    assert all((STATIC / address).is_file() for address in page.addresses)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_our_files_name_no_other_host_and_stay_small(path: Path) -> None:
    text = path.read_text()
    code = re.sub(r"(?m)(^|\s)// .*$", "", text)  # without comments
    assert set(re.findall(r"(?:\w+:)?//[\w.]+(?::\d+)?(?:/[\w/]+)?", code)) <= KNOWN
    if path.suffix in (".js", ".css"):
        assert len(text.splitlines()) <= 300
    if path.suffix == ".js":
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)


def test_every_file_of_the_runtime_is_in_its_manifest() -> None:
    folder = STATIC.parent / "ort"
    manifest = json.loads((folder / "manifest.json").read_text())
    kept = {told["kept"] for told in manifest["files"].values()}
    assert kept == {path.name for path in folder.iterdir()} - {"manifest.json", "README.md"}
    assert f"onnxruntime-web@{manifest['version']}" in (folder / "README.md").read_text()
