"""Who may ask: hosts, pages of other servers, tokens; and which options are refused."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer
from tests.deploy.server.conftest import Serve
from tests.deploy.server.served import picture

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200), ({"host": "localhost:8000"}, 200), ({"host": "127.0.0.1"}, 200), ({"host": "[::1]:80"}, 200),
        ({"host": "evil.example"}, 421), ({"host": "localhost.evil.example"}, 421), ({"host": ""}, 421),
        ({"host": "[::1"}, 421), ({"host": "evil.example@localhost", "origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost"}, 200), ({"origin": "http://evil.example"}, 403), ({"origin": "null"}, 403),
        ({"origin": "http://localhost:1"}, 403),
    ],
)  # fmt: skip
def test_other_names_and_pages_of_others_are_refused(serve: Serve, headers: dict[str, str], status: int) -> None:
    with serve("digits") as client:
        answer = client.post("/predict", content=picture(), headers=headers)
    assert answer.status_code == status
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_with_a_token_only_the_page_and_the_health_are_open(serve: Serve) -> None:
    right, wrong = {"authorization": f"Bearer {TOKEN}"}, {"authorization": f"Bearer {TOKEN[:-1]}x"}
    with serve("digits", token=TOKEN) as client:
        for path in ("/", "/index.html", "/healthz", "/readyz"):
            assert client.get(path).status_code == 200
        for path in ("/model.json", "/metrics", "/docs", "/openapi.json", "/nothing"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers=wrong).status_code == 401
            assert client.get(path, headers=right).status_code == (404 if path == "/nothing" else 200)
        refused = client.post("/predict", content=picture(), headers={"authorization": f"Basic {TOKEN}"})
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert client.post("/predict", content=picture(), headers=right).status_code == 200


def test_nothing_but_the_files_of_the_page_is_served(serve: Serve) -> None:
    with serve("digits") as client:
        for path in (
            "/../pyproject.toml",
            "/%2e%2e/%2e%2e/etc/passwd",
            "//etc/passwd",
            "/index.html/x",
            "/model.onnx",
        ):
            assert client.get(path).status_code == 404, path
        page = client.get("/")
        assert client.get("/", headers={"if-none-match": page.headers["etag"]}).status_code == 304
        assert client.head("/").headers["content-length"] == str(len(page.content))
        assert client.put("/predict").status_code == 405
        assert client.put("/predict").json() == {"error": "Method Not Allowed"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0: others can reach this address, and need a token; set CNNCLI_TOKEN"),
        (["--host", "::"], "need a token"),
        (["--host", "nowhere.invalid"], "is no address of this machine"),
        (["--token-file", "short"], "--token-file short: a token has at least 16"),
        (["--token-file", "missing"], "--token-file missing: cannot be read"),
        (["--name", "a", "--name", "b"], "--name is given 2 times for 1 networks"),
        (["--name", "a/b"], "'a/b': a name in an address has letters"),
        (["runs/digits/one"], "'digits' is the name of another network; set --name for each"),
        (["nothing"], "nothing"),
        (["model.onnx"], "is no ONNX file"),
        (["optimizer.lr=1"], "cannot change a trained network"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line(
    trained: Path, monkeypatch: pytest.MonkeyPatch, cnncli: Callable[..., Answer], words: list[str], said: str
) -> None:
    monkeypatch.chdir(trained)
    monkeypatch.delenv("CNNCLI_TOKEN", raising=False)
    Path("short").write_text("abc\n")
    Path("model.onnx").write_bytes(b"onnx")
    answer = cnncli("serve", "runs/digits/one", *words, "--port", "0")
    assert answer.code in (2, 4, 6)
    assert len([line for line in answer.err.splitlines() if line.startswith("error")]) == 1
    assert said in answer.err


def test_a_port_that_is_taken_is_refused_in_one_line(
    trained: Path, monkeypatch: pytest.MonkeyPatch, cnncli: Callable[..., Answer]
) -> None:
    monkeypatch.chdir(trained)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = cnncli("serve", "runs/digits/one", "--port", taken.getsockname()[1])
    assert answer.code == 2
    assert "cannot be listened on (Address already in use); choose another port" in answer.err


def test_without_the_extra_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, trained: Path, cnncli: Callable[..., Answer]
) -> None:
    monkeypatch.chdir(trained)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    answer = cnncli("serve", "runs/digits/one")
    assert (answer.code, answer.err) == (
        2, "error: serve needs an extra (fastapi is missing); pip install 'cnncli[serve]'\n"
    )  # fmt: skip
