"""The ``cnncli`` command and how its failures look.

Exit codes: 0 fine, 2 usage or config, 3 data, 4 checkpoint, 5 training, 6 input/output, 130 and 143 interrupted and
terminated. A failure is one line on standard error; ``--debug`` adds the traceback.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from cnncli import __version__
from cnncli.cli import commands, pictures, trained
from cnncli.cli.options import expand_paths, is_override
from cnncli.cli.ranks import one_voice, tell
from cnncli.cli.streams import start_in_utf8, take_every_sign, unencodable
from cnncli.core.errors import CnncliError, ConfigError, StorageError, one_line
from cnncli.core.notices import Notice, listening
from cnncli.core.plugins import plugin_line

app = typer.Typer(
    name="cnncli",
    help="Train, evaluate and keep neural networks from one YAML file.",
    epilog="Exit codes: 0 fine · 2 usage or config · 3 data · 4 checkpoint · 5 training · 6 input/output · "
    "130/143 interrupted/terminated.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(expand_paths(commands.train))
app.command()(expand_paths(commands.finetune))
app.command(name="eval")(expand_paths(trained.evaluate))
app.command()(expand_paths(trained.generate))
app.command()(expand_paths(trained.predict))
app.command()(expand_paths(commands.inspect))
app.command()(expand_paths(trained.forecast))
app.command()(expand_paths(pictures.init))
app.add_typer(pictures.data)
app.command(name="list")(expand_paths(commands.list_components))
app.command()(expand_paths(commands.config))


def _print_version(value: bool) -> None:
    if value:
        print(f"cnncli {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; works anywhere.")] = False,
) -> None:
    pass


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with a documented code."""
    if args is None:
        start_in_utf8()
    given = list(sys.argv[1:] if args is None else args)
    debug = "--debug" in given
    take_every_sign()
    sys.exit(run([word for word in given if word != "--debug"], debug))


def run(args: list[str], debug: bool = False) -> int:
    """Run one command line and return its exit code; failures are printed as ``error: …`` lines."""
    try:
        with one_voice(), listening(_show):
            given = [*args, *["--debug"] * debug]  # what other processes are started with
            code = int(app(args=expand_resume(args), obj=given, prog_name="cnncli", standalone_mode=False) or 0)
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


def expand_resume(args: list[str]) -> list[str]:
    """``--resume`` alone means ``--resume latest``: the option's value may be left out."""
    expanded = []
    for number, word in enumerate(args):
        expanded.append(word)
        if word == "--resume":
            following = args[number + 1] if number + 1 < len(args) else "-"
            if following.startswith("-") or is_override(following) or following.endswith((".yaml", ".yml")):
                expanded.append("latest")
    return expanded
