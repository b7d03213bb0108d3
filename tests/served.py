"""A folder served on loopback, as a mirror of data sets or weights serves it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SECONDS = 30.0  # until it must have answered


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server that answers already; it ends with the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            _wait_for_answer(http.server_port)
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()


def _wait_for_answer(port: int) -> None:
    """A connection can be refused for a moment on a machine that is short of everything."""
    until = time.monotonic() + SECONDS
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        try:
            connection.request("HEAD", "/")
            connection.getresponse().close()
            return
        except ConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        finally:
            connection.close()
