"""The bare loop of ``benchmarks.serve``: ``python -m benchmarks.serve_bare CHECKPOINT DEVICE BATCH``.

Takes what has arrived, at most a batch, decodes it in a pool of threads, asks the network once, and answers.
"""

import io
import selectors
import signal
import socket
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import torch

from cnncli.core.cores import usable_cores
from cnncli.data.decode import read_image
from cnncli.inference.predict_pictures import decode_of
from cnncli.inference.predictor import load_predictor


def main() -> None:
    """Answer until SIGTERM."""
    checkpoint, device, batch = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    predictor = load_predictor(Path(checkpoint), [f"device={device}"])
    decode, size = decode_of(predictor), int(batch)
    predictor.logits(torch.zeros(size, decode.channels, *decode.size, dtype=torch.uint8))
    pool = ThreadPoolExecutor(min(usable_cores(), 4))
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setblocking(False)
    print(f"127.0.0.1:{listener.getsockname()[1]}", flush=True)
    watched = selectors.DefaultSelector()
    watched.register(listener, selectors.EVENT_READ)
    partial: dict[socket.socket, bytearray] = {}
    ready: list[tuple[socket.socket, bytes]] = []
    while True:
        for key, _ in watched.select(0 if ready else None):
            take(key.fileobj, listener, watched, partial, ready)  # type: ignore[arg-type]
        now, ready = ready[:size], ready[size:]
        if not now:
            continue
        pixels = list(pool.map(lambda pair: read_image(io.BytesIO(pair[1]), decode), now))
        found = predictor.task.naming(predictor.logits(torch.stack(pixels)))
        assert found is not None
        for (link, _), name, row in zip(now, found.names(predictor.classes), found.probabilities.tolist(), strict=True):
            link.sendall(f"{name} {max(row)}\n".encode())


def take(
    link: socket.socket, listener: socket.socket, watched: selectors.BaseSelector,
    partial: dict[socket.socket, bytearray], ready: list[tuple[socket.socket, bytes]],
) -> None:  # fmt: skip
    """New clients, or more of what one sends; a whole picture becomes ``ready``."""
    if link is listener:
        with suppress(BlockingIOError):
            while True:  # all that wait: else a batch of one would be computed between each two
                other, _ = listener.accept()
                other.setblocking(True)
                watched.register(other, selectors.EVENT_READ)
                partial[other] = bytearray()
        return
    more = link.recv(2**20)
    if not more:
        watched.unregister(link)
        del partial[link]
        link.close()
        return
    data = partial[link]
    data += more
    if len(data) >= 4 and len(data) == 4 + struct.unpack(">I", data[:4])[0]:
        ready.append((link, bytes(data[4:])))
        data.clear()


if __name__ == "__main__":
    main()
