"""Networks of every kind, trained once for all tests of the server."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from cnncli.deploy.page.files import page_files
from cnncli.deploy.server.app import make_app
from cnncli.deploy.server.guard import LOOPBACK
from cnncli.deploy.server.limits import Limits
from cnncli.deploy.server.models import load_models
from tests.deploy.server.served import train_all

Serve = Callable[..., AbstractContextManager[TestClient]]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs of every kind."""
    folder = tmp_path_factory.mktemp("served")
    train_all(folder)
    return folder


@pytest.fixture
def serve(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Clients of an application in this process: ``with serve("digits", "iris") as client``."""
    monkeypatch.chdir(trained)

    @contextmanager
    def served(*names: str, token: str | None = None, **limits: Any) -> Iterator[TestClient]:
        given = Limits(**limits)
        models = load_models([Path(f"runs/{name}/one/best.pt") for name in names], [], ["device=cpu"], [], given)
        app = make_app(models, given, page_files(), frozenset(LOOPBACK), token)
        with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
            yield client

    return served
