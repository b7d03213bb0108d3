"""A page in headless Chromium: what it asked the network for, what it complained of, and what it shows."""

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = os.environ.get("CNNCLI_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
AXE = Path(os.environ.get("CNNCLI_AXE", "node_modules/axe-core/axe.min.js"))  # npm install axe-core
WIDTHS = (390, 1400)
ELSEWHERE = "phone.test"  # a name of this machine that browsers do not trust, as one without HTTPS
ARGUMENTS = [
    "--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1",
]  # fmt: skip


class Files(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, as ``python -m http.server`` sends them."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(handler: Any, name: str = "localhost") -> Iterator[str]:
    """The address of a server on this machine, by the name that browsers trust, or by ``ELSEWHERE``."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{name}:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def folder(path: Path) -> Any:
    """A handler for ``serving`` that sends the files of a folder."""
    return functools.partial(Files, directory=str(path))


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser of Playwright's; skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Visit:
    """A page that was opened, and waits until the network is loaded."""

    def __init__(self, browser: Any, address: str, width: int = 390, state: str = "ready", **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 844}, **options)
        self.page, self.address, self.width = self.context.new_page(), address, width
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(address)
        self.page.wait_for_selector(f"body[data-state={state}]", timeout=60_000)

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        elsewhere = [url for url in self.asked if not url.startswith((self.address, "data:", "blob:"))]
        self.context.close()
        if kind is None:
            assert wide <= self.width, wide
            assert not elsewhere, elsewhere
            assert not self.complaints, self.complaints

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def until(self, condition: str, seconds: float = 60) -> None:
        """Wait until a condition in JavaScript is true; Playwright's own waiting breaks the page's policy."""
        for _ in range(int(seconds * 20)):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never true: {condition}; the page: {self.page.text_content('main')}")

    def answer(self, place: str) -> tuple[str, float]:
        """The class and its probability that the answer inside a place shows."""
        told = self.page.locator(f"{place} .answer").first
        told.wait_for()
        return told.get_attribute("data-named"), float(told.get_attribute("data-probability"))

    def choose(self, *files: Path) -> list[tuple[str, float]]:
        """The answers to pictures that are chosen, in their order."""
        before = self.page.locator(".result .answer").count()
        self.page.set_input_files("input[type=file]", list(map(str, files)))
        self.until(f"document.querySelectorAll('.result .answer').length == {before + len(files)}")
        shown = self.page.locator(".result .answer").evaluate_all("all => all.map(each => ({...each.dataset}))")
        newest = shown[: len(files)][::-1]
        return [(each["named"], float(each["probability"])) for each in newest]

    def draw(self, *points: tuple[float, float]) -> None:
        """One stroke with the mouse through points, as shares of the field's width and height."""
        box = self.page.locator(".pad").bounding_box()
        mouse = self.page.mouse
        for number, (x, y) in enumerate(points):
            mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=5)
            if number == 0:
                mouse.down()
        mouse.up()
        self.page.wait_for_timeout(500)

    def findings(self) -> list[str]:
        """What axe finds at the page as it is."""
        self.page.evaluate(AXE.read_text())  # no script element: the page's policy refuses one
        found = self.page.evaluate("axe.run()")
        return [f"{each['impact']} {each['id']}: {each['nodes'][0]['html']}" for each in found["violations"]]
