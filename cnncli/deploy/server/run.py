"""A server from its networks and options: the address, the token, and the end."""

import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from cnncli.core.errors import ConfigError, StorageError
from cnncli.deploy.page.files import page_files
from cnncli.deploy.server.app import Life, make_app
from cnncli.deploy.server.connections import MOST, Connection, Server, log_in_json
from cnncli.deploy.server.guard import LOOPBACK
from cnncli.deploy.server.limits import Limits
from cnncli.deploy.server.models import Model

TOKEN = "CNNCLI_TOKEN"
SHORTEST = 16  # characters of a token
BACKLOG = 1024
KEEP_ALIVE = 5  # seconds


@dataclass(frozen=True)
class Address:
    """Where to listen, and by which other names requests may come."""

    host: str = "127.0.0.1"
    port: int = 8000
    allowed: tuple[str, ...] = ()


def find_token(address: Address, variable: str = TOKEN, file: Path | None = None) -> str | None:
    """The token in the file or the environment variable; raises ``ConfigError`` where one is needed and missing."""
    token = os.environ.get(variable, "").strip()
    if file is not None:
        try:
            token = file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise StorageError(f"--token-file {file}: cannot be read ({error}); check the path") from error
    where = f"--token-file {file}" if file is not None else variable
    if (file is not None or token) and (len(token) < SHORTEST or not token.isascii() or len(token.split()) != 1):
        advice = "for example of: openssl rand -hex 32"
        raise ConfigError(
            f"{where}: a token has at least {SHORTEST} letters, digits and signs; take the output {advice}"
        )
    if not token and not is_loopback(address.host):
        raise ConfigError(
            f"--host {address.host}: others can reach this address, and need a token; set {variable}, or --token-file"
        )
    return token or None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; raises ``ConfigError`` for what is none."""
    return all(ipaddress.ip_address(found).is_loopback for _, found in _resolved(host))


def _resolved(host: str) -> list[tuple[int, str]]:
    """The families and addresses of a host, which may be a name."""
    try:
        found = socket.getaddrinfo(host or None, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"--host {host}: is no address of this machine ({error}); give one") from error
    return list(dict.fromkeys((int(family), str(each[0]).partition("%")[0]) for family, _, _, _, each in found))


def listen(address: Address) -> socket.socket:
    """A socket on the address; raises ``ConfigError`` where it is taken or not of this machine."""
    family, host = _resolved(address.host)[0]
    try:
        return socket.create_server((host, address.port), family=socket.AddressFamily(family), backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        cause = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
        raise ConfigError(
            f"--host {address.host} --port {address.port}: cannot be listened on ({cause}); choose another port"
        ) from error


def run(
    models: Sequence[Model], limits: Limits, address: Address, token: str | None, listening: Callable[[str], None]
) -> None:
    """Answer requests until SIGTERM or Ctrl-C, then those that were accepted, and return.

    ``listening`` is called with the server's address as soon as it can be reached.
    """
    listener = listen(address)
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    own = frozenset({*LOOPBACK, *(name.lower() for name in address.allowed)})
    # elsewhere than on loopback nobody knows by which names it is reached, and the token protects it
    hosts = own if is_loopback(address.host) or address.allowed else None
    for model in models:
        model.try_once()
    life = Life()
    app = make_app(models, limits, page_files(), hosts, token, life)
    config = uvicorn.Config(
        app, http=Connection, ws="none", lifespan="on", log_config=None, access_log=False, server_header=False,
        timeout_keep_alive=KEEP_ALIVE, limit_concurrency=MOST, backlog=BACKLOG, proxy_headers=False,
        timeout_graceful_shutdown=int(limits.timeout) + 10,
    )  # fmt: skip
    log_in_json()
    before = {number: signal.signal(number, _ended) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        Server(config, life, lambda: listening(url)).run([listener])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ended(_signum: int, _frame: object) -> None:
    """Nothing: uvicorn raises the signal that ended it once more, after everything is answered."""
