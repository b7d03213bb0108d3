"""The ``cnncli`` command and how its failures look.

Exit codes: 0 fine, 2 usage or config, 3 data, 4 checkpoint, 5 training, 6 input/output, 130 and 143 interrupted and
terminated. A failure is one line on standard error; ``--debug`` adds the traceback.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Annotated, Any

import typer

from cnncli import __version__
from cnncli.cli import (
    adopting,
    checkups,
    commands,
    comparing,
    explaining,
    exporting,
    filtering,
    learning,
    pages,
    pictures,
    reporting,
    serving,
    shells,
    trained,
)
from cnncli.cli import runs as listing
from cnncli.cli.about import ABOUT
from cnncli.cli.following import following
from cnncli.cli.help import Command, Group, show_overview
from cnncli.cli.options import expand_paths
from cnncli.cli.ranks import one_voice, tell
from cnncli.cli.status import hide_status, status
from cnncli.cli.streams import start_in_utf8, take_every_sign, unencodable
from cnncli.cli.words import is_override
from cnncli.core.errors import CnncliError, ConfigError, Interrupted, StorageError, one_line
from cnncli.core.notices import Notice, listening
from cnncli.core.plugins import plugin_line
from cnncli.core.waiting import showing

THIS = "this"  # the shell that the user has

app = typer.Typer(
    name="cnncli",
    help="Train, evaluate and use neural networks from one YAML file.",
    cls=Group,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _add(path: str, command: Callable[..., Any]) -> None:
    """Make ``command`` the one that these words of the command line name."""
    name, to = path.rpartition(" ")[2], pictures.data if path.startswith("data ") else app
    about = ABOUT[path]
    to.command(name, cls=Command, short_help=about.line, rich_help_panel=about.group)(expand_paths(_stoppable(command)))


def _stoppable(command: Callable[..., Any]) -> Callable[..., Any]:
    """``command``, which says so when Ctrl-C ends it: Typer would end it without a word."""

    @wraps(command)
    def call(**values: Any) -> Any:
        try:
            return command(**values)
        except KeyboardInterrupt:
            raise Interrupted("stopped by Ctrl-C", signal.SIGINT) from None

    return call


_COMMANDS: dict[str, Callable[..., Any]] = {
    "train": commands.train,
    "finetune": commands.finetune,
    "adopt": adopting.adopt,
    "list": commands.list_components,
    "config": commands.config,
    "inspect": commands.inspect,
    "runs": listing.runs,
    "compare": comparing.compare,
    "explain": explaining.explain,
    "report": reporting.report,
    "export": exporting.export,
    "convolve": filtering.convolve,
    "doctor": checkups.doctor,
    "lr-find": checkups.lr_find,
    "learning-curve": learning.learning_curve,
    "docs": pages.docs,
    "init": pictures.init,
    "data check": pictures.check,
    "data split": pictures.split,
    "data undo": pictures.undo,
    "data show": pictures.show,
    "data cache": pictures.list_cache,
    "eval": trained.evaluate,
    "predict": trained.predict,
    "generate": trained.generate,
    "forecast": trained.forecast,
    "serve": serving.serve,
}
for _path, _command in _COMMANDS.items():
    _add(_path, _command)
app.add_typer(pictures.data, cls=Group, rich_help_panel=ABOUT["data"].group)


def _print_version(value: bool) -> None:
    if value:
        print(f"cnncli {__version__}")
        raise typer.Exit


def _install_completion(shell: str | None) -> None:
    if shell is not None:
        path = shells.install(shells.this_shell() if shell == THIS else shell)
        print(f"completion is in {path}; it works in every new terminal")
        raise typer.Exit


def _show_completion(shell: str | None) -> None:
    if shell is not None:
        print(shells.script(shells.this_shell() if shell == THIS else shell), end="")
        raise typer.Exit


@app.callback()
def _options(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; works anywhere.")] = False,
    install: Annotated[
        str | None,
        typer.Option(
            "--install-completion",
            metavar="[bash|zsh|fish]",
            callback=_install_completion,
            help="Let the Tab key complete commands, configs, keys and runs, in your current shell if you name none.",
        ),
    ] = None,
    show: Annotated[
        str | None,
        typer.Option(
            "--show-completion",
            metavar="[bash|zsh|fish]",
            callback=_show_completion,
            help="Print the completion script instead of installing it.",
        ),
    ] = None,
) -> None:
    show_overview(ctx)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with a documented code."""
    if args is None:
        start_in_utf8()
    take_every_sign()
    if shells.ASKED in os.environ:
        return complete()
    given = list(sys.argv[1:] if args is None else args)
    debug = "--debug" in given
    sys.exit(run([word for word in given if word != "--debug"], debug))


def complete() -> None:
    """Answer a shell that asks what can follow."""
    shell, words = shells.asked(os.environ)
    found = following(typer.main.get_command(app), words)
    try:
        if text := shells.answer(shell, found, words[-1] if words else "", os.environ):
            print(text, flush=True)
    except BrokenPipeError:
        _silenced()


def run(args: list[str], debug: bool = False) -> int:
    """Run one command line and return its exit code; failures are printed as ``error: …`` lines."""
    try:
        with one_voice(), listening(_show), showing(status):
            given = [*args, *["--debug"] * debug]  # what other processes are started with
            code = int(app(args=expand_optional(args), obj=given, prog_name="cnncli", standalone_mode=False) or 0)
        sys.stdout.flush()
        return code
    except CnncliError as error:
        if debug:
            raise
        return tell(error)
    except typer.TyperException as error:
        from cnncli.cli.usage import refusal

        print(f"error: {refusal(error, args)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: stopped by Ctrl-C", file=sys.stderr)
        return 130
    except SystemExit as error:  # Typer's and rich's answer to a reader that has gone: nobody is left to tell
        if isinstance(error.__context__, BrokenPipeError):
            return _silenced()
        return _plugin_failed(error, debug)
    except BrokenPipeError:
        return _silenced()
    except OSError as error:
        if debug:
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {one_line(f'{where}{error.strerror or error}')}; check the disk and the path", file=sys.stderr)
        return StorageError.exit_code
    except UnicodeEncodeError as error:
        if debug or error.encoding != sys.getfilesystemencoding():
            raise
        print(f"error: {one_line(unencodable(error))}", file=sys.stderr)
        return StorageError.exit_code
    except Exception as error:  # a plug-in is the user's own code and can raise anything; the rest is a bug of ours
        return _plugin_failed(error, debug)


def _show(found: Notice) -> None:
    hide_status()
    print(f"note: {one_line(found.text)}", file=sys.stderr)


def _plugin_failed(error: BaseException, debug: bool) -> int:
    """The exit code where a plug-in is the cause, after a line about it; raises ``error`` where none is."""
    line = plugin_line(error)
    if debug or line is None:
        raise error
    print(f"error: {one_line(f'{line}: {type(error).__name__}: {error}')}; fix the plug-in", file=sys.stderr)
    return ConfigError.exit_code


def _silenced() -> int:
    """Send what is still buffered nowhere, so that Python's own flush at exit does not complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


def expand_optional(args: list[str]) -> list[str]:
    """The command line with the values of options whose value may be left out: ``--resume`` is ``--resume latest``."""
    expanded = []
    for number, word in enumerate(args):
        expanded.append(word)
        following_word = args[number + 1] if number + 1 < len(args) else "-"
        if word == "--resume" and (
            following_word.startswith("-") or is_override(following_word) or following_word.endswith((".yaml", ".yml"))
        ):
            expanded.append("latest")
        if word in ("--install-completion", "--show-completion") and following_word.startswith("-"):
            expanded.append(THIS)
    return expanded
