"""What a hostile client sends is refused with 4xx and one line, in bounded memory; the server answers afterwards."""

import gzip
import io
import json
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.deploy.server.served import Running, as_json, picture, post, read_answer, running, until

pytestmark = pytest.mark.slow

GROWTH = 200 * 2**20  # bytes
DIGITS, IRIS, SERIES, TEXT = (f"/models/{name}/predict" for name in ("digits", "iris", "series", "text"))
COLUMNS = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
ROW = dict.fromkeys(COLUMNS, 1.0)
STEP = {"Month": "1949-01", "Passengers": 1.0}
BOUNDARY = "Content-Type: multipart/form-data; boundary=x"


@pytest.fixture(scope="module")
def server(trained: Path) -> Iterator[Running]:
    with running(trained, "digits", "iris", "series", "text", "--timeout", "10") as found:
        yield found


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, content: bytes = b"\0", *more: bytes) -> bytes:
    """A PNG whose header tells this size, whatever is in it."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + data


def npy(header: str, content: bytes = b"\0" * 64) -> bytes:
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def form(*parts: tuple[str, bytes]) -> bytes:
    return b"".join(b"--x\r\n" + head.encode() + b"\r\n\r\n" + body + b"\r\n" for head, body in parts) + b"--x--\r\n"


FILE = 'Content-Disposition: form-data; name="files"; filename="a.png"'
BOMB = gzip.compress(b"\0" * 2**24)


def pictures() -> Iterator[tuple[str, bytes]]:
    """Bodies that are no picture, or none that fits."""
    yield "png bomb", png(60_000, 60_000)
    yield "png just too large", png(50_001, 1000)
    yield "png of sides without end", png(2**31 - 1, 2**31 - 1)
    yield "png of no width", png(0, 5)
    yield "png of less than it tells", png(900, 900, b"\0" * 100)
    yield "png with a text bomb", png(8, 8, b"\0", chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 2**26)))
    yield "png with a profile bomb", png(8, 8, b"\0", chunk(b"iCCP", b"a\0\0" + zlib.compress(b"\0" * 2**26)))
    yield "png without end", picture()[:40]
    yield "gif bomb", b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\x80\0\0" + b"\0" * 20
    yield "bmp bomb", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 60, 0, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0)
    yield "bmp of negative size", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 9, 0, 0, 54, 40, -5, -5, 1, 24, *[0] * 6)
    yield "tiff in circles", b"II*\0\x08\0\0\0\0\0\x08\0\0\0"
    yield "tiff of many tags", b"II*\0\x08\0\0\0\xff\xff" + b"\x01\x01\x04\0\xff\xff\xff\xff\x08\0\0\0" * 3000
    yield "eps, which would start a program", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    yield "svg", b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"
    yield "pdf", b"%PDF-1.4\n1 0 obj\n"
    yield "ppm", b"P6\n8 8\n255\n" + b"\0" * 192
    yield "psd", b"8BPS\0\x01" + b"\0" * 60
    yield "html", b"<!doctype html><html><body>not found</body></html>"
    yield "json", as_json({"rows": [ROW]})
    yield "gzip", BOMB
    yield "zip", b"PK\x03\x04" + b"\0" * 100
    yield "text", "Ж".encode() * 1000
    yield "one byte", b"\xff"
    yield "empty", b""
    yield "zeros", b"\0" * 2**20
    yield "npy of objects", npy("{'descr': '|O', 'fortran_order': False, 'shape': (8, 8)}")
    yield "npy bomb", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (100000, 100000)}")
    yield "npy of negative size", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-8, -8)}")
    yield "npy of a program", npy("__import__('os').abort()")
    yield "npy that is nested", npy("(" * 100)
    yield "npy of another version", b"\x93NUMPY\x09\x00" + b"\0" * 80
    yield "npy of four axes", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2, 2, 2)}")
    whole = io.BytesIO()
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(whole, format="JPEG")
    for share in (2, 10, 50, 150):
        yield f"jpeg of {share} bytes", whole.getvalue()[:share]
    for kind in ("PNG", "GIF", "BMP", "TIFF", "WEBP"):
        content = picture(side=64, form=kind)
        for share in (0.05, 0.2, 0.5):
            yield f"{kind} cut at {share}", content[: int(share * len(content))]


def forms() -> Iterator[tuple[str, bytes]]:
    """Forms that are no forms, or hold what they should not."""
    yield "nothing", b""
    yield "no end", form((FILE, picture()))[:-40]
    yield "no parts", b"--x--\r\n"
    yield "another boundary", form((FILE, picture())).replace(b"--x", b"--y")
    yield "a text", form(('Content-Disposition: form-data; name="files"', b"abc"))
    yield "no name", form(('Content-Disposition: form-data; filename="a.png"', picture()))
    yield "no disposition", form(("Content-Type: image/png", picture()))
    yield "a bad picture", form((FILE, b"<html>"))
    yield "an empty file", form((FILE, b""))
    yield "thousands of files", form(*[(FILE, b"")] * 5000)
    yield "thousands of texts", form(*[('Content-Disposition: form-data; name="a"', b"")] * 5000)
    yield "a name without end", form((f'Content-Disposition: form-data; name="{"a" * 2**20}"', b""))
    yield "a file's name without end", form((f'{FILE[:-1]}{"a" * 2**20}"', picture()))
    yield "thousands of heads", form(("\r\n".join([FILE, *["X-A: b"] * 5000]), picture()))
    yield "a long text", form(('Content-Disposition: form-data; name="a"', b"a" * 3 * 2**20))
    yield "control characters", form(('Content-Disposition: form-data; name="\x1b[2J"', b"abc"))
    yield "only line breaks", b"\r\n" * 100_000


def numbers(field: str, row: dict[str, object]) -> Iterator[tuple[str, bytes]]:
    """Bodies that are no JSON, or no rows."""
    yield "nothing", b""
    yield "no JSON", b"<html>"
    yield "half of it", as_json({field: [row]})[:-3]
    yield "another encoding", as_json({field: [row]}).decode().encode("utf-16")
    yield "no UTF-8", b'{"' + field.encode() + b'": "\xff\xfe"}'
    for word in ("NaN", "Infinity", "-Infinity", "1e999", "9" * 400, "9" * 5000, "{}", "[]", "[1]", '"\\ud800"'):
        cell = json.dumps({field: [row]}).replace("1.0", word, 1)
        yield f"a cell of {word[:12]} ({len(word)})", cell.encode()
    for deep in ("[", '{"a":', '{"a":[', f'{{"{field}":[', f'{{"{field}":'):
        yield f"deep in {deep}", deep.encode() * 30_000
    yield "very deep", b"[" * 10**6
    yield "very wide", b'{"a":[' + b"[]," * 10**6 + b"[]]}"
    yield "thousands of keys", as_json({f"k{number}": 1 for number in range(50_000)})
    yield "columns without end", as_json({field: [{f"k{number}": 1 for number in range(50_000)}]})
    yield "other columns in every row", as_json({field: [{f"k{number}": 1} for number in range(9000)]})
    yield "a column without end", as_json({field: [{"a" * 2**20: 1}]})
    yield "a cell without end", as_json({field: [{**row, next(iter(row)): "a" * 2**20}]})
    yield "too many rows", as_json({field: [row] * 20_001})
    for value in (None, 1, "a", True, [], {}, [1], ["a"], [None], [[]], [{}], [row, 1], [row, {}]):
        yield f"{field} {str(value)[-30:]}", as_json({field: value})
    yield "nothing known", as_json({})
    yield "more than is known", as_json({field: [row], "more": 1})
    yield "unknown columns", as_json({field: [{"a": 1, "b": 2}]})
    yield "a text for a number", as_json({field: [{**row, list(row)[-1]: "=cmd()"}]})
    yield "a list", as_json([row])
    yield "a text", as_json("rows")


def texts() -> Iterator[tuple[str, bytes]]:
    for key, values in {
        "prompt": [1, None, ["a"], "a" * 20_000, {"a": 1}], "length": [0, -1, 10**6, 1.5, "5", None, True, 10**30],
        "temperature": [-1, "hot", 10**6, None, []], "top_k": [0, -5, "a", 1.5, 10**30], "top_p": [0, 2, -1, "a"],
        "seed": [-1, 2**64, "a", 0.5, None], "beam": [4], "": [1],
    }.items():  # fmt: skip
        for value in values:
            yield f"{key} {str(value)[:12]}", as_json({key: value})
    yield "NaN", b'{"temperature": NaN}'
    yield "infinity", b'{"temperature": 1e999}'
    yield "half a character", b'{"prompt": "\\ud800"}'
    yield "deep", b'{"prompt":' * 20_000
    yield "too long", b'{"prompt": "' + b"a" * 2**19 + b'"}'
    yield "bytes", b"\xff\xfe\x00"


def heads() -> Iterator[tuple[str, bytes]]:
    """Requests with odd heads."""
    good = picture()
    yield "a false length", f"POST {DIGITS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n".encode()
    yield "a negative length", f"POST {DIGITS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n".encode()
    yield "a length in words", f"POST {DIGITS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: five\r\n\r\n".encode()
    yield "two lengths", post(DIGITS, good, "Content-Length: 5")
    yield "a length and chunks", post(DIGITS, good, "Transfer-Encoding: chunked")
    yield "unknown coding", post(DIGITS, good, "Transfer-Encoding: gzip")
    yield "compressed", post(DIGITS, BOMB, "Content-Encoding: gzip")
    yield "no host", f"POST {DIGITS} HTTP/1.1\r\nContent-Length: 0\r\n\r\n".encode()
    yield "two hosts", post(DIGITS, good, "Host: evil.example")
    yield "a line without end", b"GET /" + b"a" * 10**6 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    yield "a header without end", post(DIGITS, good, "X-A: " + "a" * 10**6)
    yield "thousands of headers", post(DIGITS, good, *["X-A: b"] * 20_000)
    yield "folded headers", f"POST {DIGITS} HTTP/1.1\r\nHost: localhost\r\n X: y\r\n: z\r\n\r\n".encode()
    yield "a zero in a header", post(DIGITS, good, "X-A: \0")
    yield "no HTTP", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"\0" * 200
    yield "another protocol", b"GET / HTP/1.1\r\nHost: localhost\r\n\r\n"
    yield (
        "bad chunks",
        f"POST {DIGITS} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".encode(),
    )
    yield "an unknown method", post(DIGITS, good).replace(b"POST", b"BREW", 1)
    yield "delete", post(DIGITS, good).replace(b"POST", b"DELETE", 1)
    yield "an unknown path", post("/models/nothing/predict", good)
    yield "a path above", post("/../../etc/passwd", good)
    yield "a query that is no number", post(f"{DIGITS}?top_k=many", good)
    yield "a query too large", post(f"{DIGITS}?top_k={'9' * 100}", good)
    yield (
        "a boundary without end",
        post(DIGITS, form((FILE, good)), f"Content-Type: multipart/form-data; boundary={'x' * 999}"),
    )
    yield "no boundary", post(DIGITS, form((FILE, good)), "Content-Type: multipart/form-data")
    yield "an odd charset", post(DIGITS, form((FILE, b"a")), f"{BOUNDARY}; charset=zzz")
    yield "a form for rows", post(IRIS, form((FILE, good)), BOUNDARY)
    yield "an unknown class", post("/models/digits/explain?class=eleven", good)
    yield "no picture to explain", post("/models/digits/explain", b"<html>")
    yield "two pictures to explain", post("/models/digits/explain", form((FILE, good), (FILE, good)), BOUNDARY)


HOSTILE = [
    *((f"picture: {name}", post(DIGITS, body)) for name, body in pictures()),
    *((f"form: {name}", post(DIGITS, body, BOUNDARY)) for name, body in forms()),
    *((f"rows: {name}", post(IRIS, body)) for name, body in numbers("rows", dict(ROW))),
    *((f"series: {name}", post(SERIES, body)) for name, body in numbers("series", dict(STEP))),
    *((f"text: {name}", post(TEXT, body)) for name, body in texts()),
    *((f"head: {name}", data) for name, data in heads()),
]


def refused(status: int, body: str) -> None:
    assert 400 <= status < 500, (status, body)
    assert body.count("\n") == 1
    assert json.loads(body).keys() == {"error"}
    assert len(body) < 2500


def works(server: Running) -> None:
    status, body = server.exchange(post(DIGITS, picture()))
    assert status == 200, body


@pytest.fixture(scope="module")
def memory(server: Running) -> int:
    """Of the server after it has answered for every network."""
    works(server)
    server.exchange(post(IRIS, as_json({"rows": [ROW]})))
    server.exchange(post(TEXT, as_json({"length": 20})))
    server.exchange(post(SERIES, as_json({"series": [STEP]})))
    return server.memory()


def test_there_are_more_than_two_hundred() -> None:
    assert len(HOSTILE) > 200
    assert len({name for name, _ in HOSTILE}) == len(HOSTILE)


@pytest.mark.parametrize("data", [data for _, data in HOSTILE], ids=[name for name, _ in HOSTILE])
def test_it_is_refused(server: Running, memory: int, data: bytes) -> None:
    refused(*server.exchange(data))
    assert server.memory() - memory < GROWTH
    assert server.process.poll() is None


def test_a_hundred_megabytes_are_never_held(server: Running, memory: int) -> None:
    largest, piece = 0, b"10000\r\n" + b"a" * 2**16 + b"\r\n"
    for head in ("Content-Length: 104857600", "Transfer-Encoding: chunked"):
        with socket.create_connection((server.host, server.port), timeout=20) as link:
            link.sendall(f"POST {DIGITS} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode())
            for _ in range(1600):
                link.sendall(piece)
                largest = max(largest, server.memory())
            refused(*read_answer(link))
    assert largest - memory < GROWTH
    works(server)


def test_many_at_once_are_refused_in_bounded_memory(server: Running, memory: int) -> None:
    chosen = [data for name, data in HOSTILE if "Content-Length: 99999999999" not in data[:200].decode("latin-1")]
    with ThreadPoolExecutor(24) as pool:
        waiting = [pool.submit(server.exchange, data, 60.0) for data in chosen * 2]
        largest = memory
        while not all(each.done() for each in waiting):
            largest = max(largest, server.memory())
            time.sleep(0.01)
    statuses = {each.result()[0] for each in waiting}
    assert all(400 <= status < 500 or status == 503 for status in statuses), statuses
    assert largest - memory < GROWTH
    works(server)


def test_slow_clients_are_cut_off_and_others_are_answered_meanwhile(server: Running) -> None:
    heads_ = [b"", b"GET", b"POST /predict HTTP/1.1\r\nHost: localhost\r\nX-A: "]
    links = [socket.create_connection((server.host, server.port), timeout=1) for _ in range(30)]
    body = socket.create_connection((server.host, server.port), timeout=20)
    body.sendall(f"POST {DIGITS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n".encode())
    closed: set[int] = set()
    for number, link in enumerate(links):
        link.sendall(heads_[number % 3])
    for _ in until(16):
        works(server)
        for number, link in enumerate(links):
            try:
                link.sendall(b"a")
            except OSError:
                closed.add(number)
        time.sleep(0.5)
    assert len(closed) == len(links)
    assert read_answer(body)[0] == 504
    for link in (*links, body):
        link.close()
