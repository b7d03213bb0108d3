"""The page in front of a server: it sends what it is given there, and shows what comes back."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

from cnncli.deploy.page.files import page_files
from tests.deploy.page.browsing import AXE, Visit, chromium, serving

pytestmark = pytest.mark.slow
DESCRIPTION = {
    "format": 1, "cnncli": "0", "run": "bees", "kind": "pictures", "task": "classification",
    "classes": ["ants", "bees"], "targets": [],
    "pictures": {"size": [8, 8], "channels": 3, "fit": "crop", "interpolation": "bilinear"},
    "server": True, "explains": True, "models": ["first", "second"],
}  # fmt: skip
ROWS = {
    "kind": "rows", "pictures": None, "explains": False,
    "columns": [{"name": "size", "kind": "number", "input": "numbers", "at": 0, "mean": 1.5, "std": 1.0,
                 "required": True, "decimal": ".", "thousands": "", "unit": "", "date": "", "categories": None,
                 "missing": None, "unknown": None}],
}  # fmt: skip
MAP = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


class Server(http.server.BaseHTTPRequestHandler):
    """Answers as ``cnncli serve`` does, and wants a token for predictions."""

    asked: ClassVar[list[tuple[str, bytes]]] = []
    lock = threading.Lock()

    def do_GET(self) -> None:
        """The page and its description."""
        path = self.path.partition("?")[0].removeprefix("/") or "index.html"
        if path == "model.json" or path.startswith("models/"):
            self.send(200, json.dumps(DESCRIPTION | (ROWS if "second" in path else {})).encode(), "application/json")
        elif path in page_files():
            kind = {"js": "text/javascript", "css": "text/css", "html": "text/html", "svg": "image/svg+xml"}
            self.send(200, page_files()[path], kind.get(path.rpartition(".")[2], "application/octet-stream"))
        else:
            self.send(404, b"", "text/plain")

    def do_POST(self) -> None:
        """One prediction or explanation."""
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("authorization") != "Bearer right":
            self.send(401, b"{}", "application/json")
            return
        with self.lock:
            self.asked.append((self.path, body))
        answer: dict[str, object] = {"class": "bees", "map": MAP}
        if self.path == "/predict":
            top = [{"class": "bees", "probability": 0.9}, {"class": "ants", "probability": 0.1}]
            told = {"path": "x.png", "prediction": "bees", "probability": 0.9, "top": top}
            answer = {"predictions": [told], "errors": []}
            if len(self.asked) > 2:
                answer = {"predictions": [], "errors": [{"path": "x.png", "error": "cannot be read"}]}
        elif self.path.endswith("second/predict"):
            answer = {"predictions": [{"prediction": "ants", "probability_ants": 0.7, "probability_bees": 0.3}]}
        self.send(200, json.dumps(answer).encode(), "application/json")

    def send(self, status: int, content: bytes, kind: str) -> None:
        """One whole answer."""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (20, 10), "green").save(tmp_path / "x.png")
    return tmp_path / "x.png"


def enter(visit: Visit, token: str) -> None:
    """Fill in the token that the page asks for."""
    visit.page.get_by_label("The server's token").fill(token)
    if AXE.is_file():
        assert visit.findings() == []
    visit.page.get_by_role("button", name="Go on").click()


def test_pictures_go_to_the_server_and_its_answer_and_map_are_shown(browser: Any, picture: Path) -> None:
    Server.asked.clear()
    with serving(Server) as address, Visit(browser, address) as visit:
        assert "is sent to this server" in visit.page.text_content("#private")
        visit.page.set_input_files("input[type=file]", str(picture))
        enter(visit, "wrong")
        visit.page.wait_for_selector("text=This was not the right one.")
        enter(visit, "right")
        assert visit.answer(".result") == ("bees", 0.9)
        assert visit.page.locator("img[alt='Where the network looks']").get_attribute("src") == MAP
        assert [path for path, _ in Server.asked] == ["/predict", "/explain"]
        assert all(picture.read_bytes() in body and b'name="files"' in body for _, body in Server.asked)
        visit.page.set_input_files("input[type=file]", str(picture))
        assert visit.page.locator(".result .error").text_content() == "cannot be read"
        assert not any("ort" in url for url in visit.asked)
        visit.complaints = [text for text in visit.complaints if "401" not in text]


def test_another_network_of_the_server_is_chosen_and_asked(browser: Any) -> None:
    Server.asked.clear()
    with serving(Server) as address, Visit(browser, address) as visit:
        visit.page.get_by_label("Network").select_option("second")
        visit.page.wait_for_selector("form.fields")
        enter(visit, "right")
        assert visit.page.locator(".named").text_content() == "ants"
        assert (Server.asked[-1][0], json.loads(Server.asked[-1][1])) == (
            "/models/second/predict", {"rows": [{"size": 1.5}]}
        )  # fmt: skip
        visit.complaints = [text for text in visit.complaints if "401" not in text]
