"""SIGTERM under load: every request that was sent before it has its answer, and the exit code is 0."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.deploy.server.served import Running, picture, post, read_answer, running

pytestmark = pytest.mark.slow

CLIENTS = 24


class Client:
    """Sends requests one after the other until the server is gone; when each was sent, and its status."""

    def __init__(self, server: Running, keep: bool) -> None:
        self.server, self.keep = server, keep
        self.sent: list[tuple[float, int]] = []

    def run(self) -> None:
        links = self._links()
        while True:
            try:
                link = next(links)
                link.sendall(post("/predict", picture(), *([] if self.keep else ["Connection: close"])))
            except OSError:
                return
            moment = time.monotonic()
            status, _ = read_answer(link)
            self.sent.append((moment, status))
            if status != 200:
                return

    def _links(self) -> Iterator[socket.socket]:
        """The connection of each request: a new one, or the same."""
        while True:
            with socket.create_connection((self.server.host, self.server.port), timeout=20) as link:
                yield link
                while self.keep:
                    yield link


@pytest.mark.parametrize("keep", [False, True], ids=["a connection each", "kept connections"])
@pytest.mark.parametrize("round_", range(2))
def test_no_accepted_request_is_lost(trained: Path, keep: bool, round_: int) -> None:
    with running(trained, "digits", "--wait", "50") as server:
        clients = [Client(server, keep) for _ in range(CLIENTS)]
        with ThreadPoolExecutor(CLIENTS) as pool:
            for client in clients:
                pool.submit(client.run)
            time.sleep(1.5 + 0.1 * round_)
            moment = time.monotonic()
            assert server.stop() == 0
        sent = [each for client in clients for each in client.sent]
        before = [status for when, status in sent if when <= moment]
        assert len(before) > 10 * CLIENTS
        assert [status for status in before if status != 200] == []
        assert "Traceback" not in server.log.read_text()


def test_a_long_answer_is_waited_for_and_load_balancers_are_told(trained: Path) -> None:
    with running(trained, "text") as server:
        found: list[tuple[int, str]] = []
        body = b'{"length": 6000}'
        long = threading.Thread(target=lambda: found.append(server.exchange(post("/predict", body), 60)))
        with socket.create_connection((server.host, server.port), timeout=20) as link:
            ready = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"
            link.sendall(ready)
            assert read_answer(link) == (200, '{"ready": true}\n')
            long.start()
            time.sleep(0.5)
            server.process.terminate()
            time.sleep(0.25)
            link.sendall(ready)
            assert read_answer(link) == (503, '{"ready": false}\n')
        assert server.process.wait(40) == 0
        long.join()
        assert found[0][0] == 200


def test_ctrl_c_ends_it_as_well(trained: Path) -> None:
    with running(trained, "digits") as server:
        server.process.send_signal(2)
        assert server.process.wait(20) == 0


def test_beyond_the_queue_requests_are_refused_and_it_recovers(trained: Path) -> None:
    with running(trained, "digits", "--queue", "4", "--wait", "300", "--batch", "4") as server:
        with ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(lambda _: server.exchange(post("/predict", picture())), range(200)))
        statuses = [status for status, _ in answers]
        assert set(statuses) == {200, 503}
        assert {body for status, body in answers if status == 503} == {
            '{"error": "the server is busy with 4 samples; try again"}\n'
        }
        assert server.exchange(post("/predict", picture()))[0] == 200
        with socket.create_connection((server.host, server.port), timeout=20) as link:
            link.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            text = read_answer(link)[1]
    assert f'cnncli_refused_total{{reason="queue"}} {statuses.count(503)}.0' in text
    assert 'cnncli_queue_samples{model="digits"} 0.0' in text


def test_what_takes_too_long_is_ended(trained: Path) -> None:
    with running(trained, "text", "--timeout", "0.5") as server:
        start = time.monotonic()
        status, body = server.exchange(post("/predict", b'{"length": 10000}'))
        assert (status, body.count("\n")) == (504, 1)
        assert time.monotonic() - start < 5
        assert server.exchange(post("/predict", b'{"length": 5}'))[0] == 200
