"""Clients of a server or a bare loop: ``python -m benchmarks.serve_clients FOLDER PORT http|bare CLIENTS SECONDS``.

Prints as JSON how many answers came, how many of them were wrong, and how long they took.
"""

import http.client
import json
import random
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

TOLERANCE = 5e-3  # of a probability: other batches round otherwise
Ask = Callable[[bytes], "tuple[str, float] | None"]  # None: refused with 503


def over_http(port: int) -> Ask:
    """A connection to the server."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    link.connect()

    def ask(content: bytes) -> tuple[str, float] | None:
        link.request("POST", "/predict", content)
        answer = link.getresponse()
        found = json.loads(answer.read())
        if answer.status == 503:
            return None
        if answer.status != 200:
            raise OSError(found)
        return found["predictions"][0]["prediction"], found["predictions"][0]["probability"]

    return ask


def over_bare(port: int) -> Ask:
    """A connection to the bare loop."""
    link = socket.create_connection(("127.0.0.1", port), timeout=60)

    def ask(content: bytes) -> tuple[str, float]:
        link.sendall(struct.pack(">I", len(content)) + content)
        data = b""
        while not data.endswith(b"\n"):
            more = link.recv(4096)
            if not more:
                raise OSError("closed")
            data += more
        name, _, probability = data.decode().rpartition(" ")
        return name, float(probability)

    return ask


class Counts:
    """What all clients have seen."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.wrong = self.failed = self.refused = 0


def client(
    connect: Callable[[int], Ask], port: int, bodies: list[tuple[bytes, str, float]], end: float, seen: Counts
) -> None:
    """Ask until the end, each time for another picture."""
    draw = random.Random(threading.get_ident())
    ask = connect(port)
    while time.monotonic() < end:
        content, name, probability = draw.choice(bodies)
        start = time.perf_counter()
        try:
            answer = ask(content)
        except (OSError, http.client.HTTPException, ValueError):
            seen.failed += 1
            ask = connect(port)
            continue
        if answer is None:
            seen.refused += 1
            time.sleep(0.05)  # less than Retry-After says, for a full queue
            continue
        seen.seconds.append(time.perf_counter() - start)
        seen.wrong += answer[0] != name or abs(answer[1] - probability) > TOLERANCE


def main() -> None:
    """Run them all."""
    folder, port, how, clients, seconds = sys.argv[1:]
    expected = json.loads((Path(folder) / "expected.json").read_text())
    bodies = [(Path(path).read_bytes(), name, probability) for path, (name, probability) in expected.items()]
    connect = over_http if how == "http" else over_bare
    seen, start = Counts(), time.monotonic()
    given = (connect, int(port), bodies, start + float(seconds), seen)
    threads = [threading.Thread(target=client, args=given) for _ in range(int(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken, ordered = time.monotonic() - start, sorted(seen.seconds) or [0.0]
    percent = {f"p{share}": 1000 * ordered[min(len(ordered) * share // 100, len(ordered) - 1)] for share in (50, 99)}
    counts = {"wrong": seen.wrong, "failed": seen.failed, "refused": seen.refused, "good": len(seen.seconds)}
    print(json.dumps({"speed": len(seen.seconds) / taken, **percent, **counts}))


if __name__ == "__main__":
    main()
