"""``serve``: trained networks behind HTTP."""

from pathlib import Path
from typing import Annotated

import typer

from cnncli.cli.console import say
from cnncli.cli.options import SET_ANEW, Checkpoint, Plugin, RunsDir
from cnncli.cli.words import split_several
from cnncli.core.errors import ConfigError

Networks = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CKPT|RUN... [KEY=VALUE]...",
        help="CKPT|RUN\tA checkpoint, a run's folder or name, or latest: the newest run. The first answers /predict, "
        f"each of several /models/NAME/….\n{SET_ANEW}",
        show_default=False,
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Option("--name", metavar="NAME", help="The name of each network, in their order. [default: its run's name]"),
]
Host = Annotated[
    str,
    typer.Option(
        "--host", metavar="ADDRESS", help="Where to listen. Any address but this machine's own loopback needs a token."
    ),
]
Port = Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="The port; 0: any that is free.")]
AllowHost = Annotated[
    list[str] | None,
    typer.Option("--allow-host", metavar="NAME", help="A name that requests may come by, as from a reverse proxy."),
]
TokenVariable = Annotated[
    str, typer.Option("--token-env", metavar="VARIABLE", help="The environment variable that holds the token.")
]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help="A file that holds the token, instead.")
]
Queue = Annotated[
    int | None,
    typer.Option(
        "--queue",
        metavar="N",
        min=1,
        help="Samples that may wait; more are refused (503). [default: 256 pictures, 10,000 rows, 64 series or texts]",
    ),
]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch",
        metavar="N",
        min=1,
        help="Samples that the network answers at once. [default: 32 pictures, 1,024 rows]",
    ),
]
Wait = Annotated[
    float, typer.Option("--wait", metavar="MS", min=0, max=10_000, help="How long a sample waits for others.")
]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="S", min=0.1, max=90, help="How long a request may take (504).")
]
MaxBytes = Annotated[
    int, typer.Option("--max-bytes", metavar="N", min=1000, help="The largest body of a request (413).")
]
MaxPixels = Annotated[
    int, typer.Option("--max-pixels", metavar="N", min=1, help="The largest picture, width times height (413).")
]


def serve(
    words: Networks = None,
    ckpt: Checkpoint = None,
    name: Names = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    allow_host: AllowHost = None,
    token_env: TokenVariable = "CNNCLI_TOKEN",
    token_file: TokenFile = None,
    queue: Queue = None,
    batch: Batch = None,
    wait: Wait = 5.0,
    timeout: Timeout = 30.0,
    max_bytes: MaxBytes = 2**25,
    max_pixels: MaxPixels = 50_000_000,
    plugin: Plugin = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Answer requests over HTTP with trained networks: pictures, rows, series or texts.

    SIGTERM or Ctrl-C ends the server after every accepted request has its answer.
    """
    paths, overrides = split_several(words, ckpt, runs_dir)
    _need_extra()
    from cnncli.training.start import PREDICTOR, import_torch

    import_torch(PREDICTOR)
    from cnncli.deploy.server.limits import Limits
    from cnncli.deploy.server.models import load_models
    from cnncli.deploy.server.run import Address, find_token, run

    address = Address(host, port, tuple(allow_host or ()))
    token = find_token(address, token_env, token_file)
    limits = Limits(queue, batch, wait, timeout, max_bytes, max_pixels)
    models = load_models(paths, name or [], overrides, plugin or [], limits)
    names = ", ".join(f"{model.name} ({model.answers.kind})" for model in models)
    run(models, limits, address, token, lambda url: say(f"serving   {names} on {url}"))


def _need_extra() -> None:
    """Raise ``ConfigError`` where the libraries of the server are not installed."""
    from importlib.util import find_spec

    missing = [name for name in ("fastapi", "uvicorn", "python_multipart", "prometheus_client") if not find_spec(name)]
    if missing:
        raise ConfigError(f"serve needs an extra ({missing[0]} is missing); pip install 'cnncli[serve]'")
