"""Trained networks of every kind, and servers that tests start and end."""

import io
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from cnncli.cli.app import run
from tests.conftest import ROOT

QUICK = ["train.epochs=2", "logging.tensorboard=false", "logging.samples=false", "logging.pictures=false"]


def train_all(folder: Path) -> None:
    """Runs ``digits/one``, ``iris/one``, ``series/one`` and ``text/one`` in the folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        rows = [
            f"{1949 + i // 12}-{i % 12 + 1:02d},{100 + i + 20 * math.sin(i / 12 * math.tau):.1f}" for i in range(144)
        ]
        Path("passengers.csv").write_text("\n".join(["Month,Passengers", *rows]) + "\n")
        Path("text.txt").write_text("To be, or not to be, that is the question.\n" * 60)
        for words in (
            ["digits", "model.channels=[8, 8]", "--name", "digits/one"],
            ["classification/iris", "--name", "iris/one"],
            ["forecasting/airline", "dataset.file=passengers.csv", "--name", "series/one"],
            ["text/lstm", "dataset.path=text.txt", "model.hidden=8", "dataset.block=16", "--name", "text/one"],
        ):
            assert run(["train", *words, *QUICK]) == 0
    finally:
        os.chdir(before)


def picture(number: int = 3, side: int = 8, form: str = "PNG") -> bytes:
    """A grey picture, another one for each number."""
    pixels = np.random.default_rng(number).integers(0, 255, (side, side), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format=form)
    return file.getvalue()


@dataclass
class Running:
    """A server in a process of its own."""

    process: "subprocess.Popen[str]"
    host: str
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def memory(self) -> int:
        """Bytes of memory that it has now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))

    def exchange(self, data: bytes, wait: float = 20.0) -> tuple[int, str]:
        """Send these bytes as they are; the status and the body of the first answer, 0 where there is none."""
        with socket.create_connection((self.host, self.port), timeout=wait) as link:
            with suppress(OSError):  # the answer may come before all was sent
                link.sendall(data)
            return read_answer(link)

    def stop(self) -> int:
        """End it by SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def read_answer(link: socket.socket) -> tuple[int, str]:
    """The status and body of an answer with a length; 0 where there is none."""
    content = b""
    while True:
        head, found, body = content.partition(b"\r\n\r\n")
        lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if found and lengths and len(body) >= lengths[0]:
            break
        try:
            more = link.recv(65536)
        except OSError:
            more = b""
        if not more:
            break
        content += more
    return (int(head.split()[1]), body.decode()) if found else (0, "")


@contextmanager
def running(folder: Path, *words: str, **environment: str) -> Iterator[Running]:
    """``cnncli serve`` with these words in a folder, ended at the end of the block."""
    log = folder / "server.log"
    command = [sys.executable, "-m", "cnncli", "serve", *words, "--port", "0"]
    given = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    with log.open("w") as errors:
        process = subprocess.Popen(command, cwd=folder, env=given, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert " on http://" in line, log.read_text()
        host, port = line.split()[-1].removeprefix("http://").split(":")
        yield Running(process, host, int(port), log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def post(path: str, body: bytes, *headers: str) -> bytes:
    """A request as bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def as_json(value: object) -> bytes:
    """A value as the body of a request."""
    return json.dumps(value).encode()


def until(seconds: float) -> Iterator[None]:
    """Turns of a loop until so many seconds have gone."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
