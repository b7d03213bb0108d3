"""Help for a terminal of 80 columns: what a command does, its words and options, two examples, a page to read."""

import os
import shutil
import textwrap
from collections.abc import Iterable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from cnncli.cli.about import ABOUT, CALLED_ELSEWHERE, GROUPS, START, About
from cnncli.core.errors import ConfigError
from cnncli.core.printable import shell_word

WIDEST = 100  # columns, of a terminal however wide
LEFT = 24  # columns for the names of options, where they fit
EXIT_CODES = (
    "Exit codes: 0 fine, 2 usage or config, 3 data, 4 checkpoint, 5 training, 6 input/output, 130 interrupted, "
    "143 terminated."
)


class Command(TyperCommand):
    """A command whose help is that of this module."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the command."""
        about = ABOUT[_path(ctx)]
        parts = [*_head(self, ctx), *_parameters(self, ctx), *_foot(about)]
        formatter.write("\n".join(parts) + "\n")


class Group(TyperGroup):
    """Several commands; alone it shows its help, and that is no error."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the words name; raises ``ConfigError`` for a word that other programs call it by."""
        name, *words = args
        if not _path(ctx) and name in CALLED_ELSEWHERE:
            command = " ".join(["cnncli", CALLED_ELSEWHERE[name], *map(shell_word, words)])
            raise ConfigError(f"there is no command '{name}'; write: {command}")
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write an overview: what there is, in groups, and what to begin with."""
        path = _path(ctx)
        parts = _head(self, ctx)
        if not path:
            parts += [*_heading("To start with"), *_rows(START, 29)]
        for group in GROUPS:
            rows = [
                (name, ABOUT[f"{path} {name}".strip()].line)
                for name, command in self.commands.items()
                if command.rich_help_panel == group  # type: ignore[attr-defined]
            ]
            parts += [*_heading(group if not path else "Commands"), *_rows(rows, 12)] if rows else []
        parts += _parameters(self, ctx)
        if path:
            parts += _foot(ABOUT[path])
        else:
            more = "Each command has examples: cnncli COMMAND --help. Pages to read: cnncli docs."
            parts += ["", *_wrapped(more), *_wrapped(EXIT_CODES)]
        formatter.write("\n".join(parts) + "\n")


def show_overview(ctx: typer.Context) -> None:
    """Print the help of a group that no command of it follows."""
    if ctx.invoked_subcommand is None and not ctx.resilient_parsing:
        typer.echo(ctx.get_help())


def _path(ctx: Any) -> str:
    """The words of a command line that name the command: "data split"."""
    return str(ctx.command_path).partition(" ")[2]


def width() -> int:
    """The columns that help is written in."""
    return max(40, min(WIDEST, shutil.get_terminal_size().columns))


def _bold(text: str) -> str:
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return text if plain else typer.style(text, bold=True)


def _heading(text: str) -> list[str]:
    return ["", _bold(text)]


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, width(), initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _rows(rows: Iterable[tuple[str, str]], left: int) -> list[str]:
    """Two columns, the second one wrapped; a name that is too long for the first stands in a line of its own."""
    lines = []
    for name, text in rows:
        body = _wrapped(text, " " * (left + 3)) or [""]
        if len(name) <= left:
            lines.append(f"  {name:<{left}} {body[0].strip()}".rstrip())
            lines += body[1:]
        else:
            lines += [f"  {name}", *body]
    return lines


def _head(command: Any, ctx: Any) -> list[str]:
    """The usage, and the command's docstring."""
    words = [parameter.metavar for parameter in _of_type(command, ctx, "argument")]
    usage = " ".join([ctx.command_path, *words, *(["COMMAND"] if isinstance(command, Group) else []), "[OPTIONS]"])
    paragraphs = (command.help or "").split("\n\n")
    lines = [f"{_bold('Usage:')} {usage}"]
    for paragraph in paragraphs:
        lines += ["", *_wrapped(" ".join(paragraph.split()))]
    return lines


def _of_type(command: Any, ctx: Any, kind: str) -> list[Any]:
    found = command.get_params(ctx)
    return [parameter for parameter in found if parameter.param_type_name == kind and not parameter.hidden]


def _parameters(command: Any, ctx: Any) -> list[str]:
    arguments = [row for parameter in _of_type(command, ctx, "argument") for row in _words(parameter)]
    options = [(_names(option), _text(option)) for option in _of_type(command, ctx, "option")]
    lines = [*_heading("Arguments"), *_rows(arguments, LEFT)] if arguments else []
    return [*lines, *_heading("Options"), *_rows(options, LEFT)]


def _words(argument: Any) -> list[tuple[str, str]]:
    """What the words of an argument are: its help has a line ``NAME, tab, text`` for each, or is about it alone."""
    lines = [line.partition("\t") for line in (argument.help or "").split("\n")]
    return [(name, text) if tab else (argument.metavar, name) for name, tab, text in lines]


def _names(option: Any) -> str:
    value = "" if option.is_flag else f" {option.metavar}"
    return ", ".join(sorted(option.opts, key=len)) + value


def _text(option: Any) -> str:
    """What an option is for, and its default."""
    default = option.default
    shown = (
        not option.is_flag and option.show_default is not False and default not in (None, "") and not option.required
    )
    ending = f" [default: {default}]" if shown else " [required]" if option.required else ""
    return f"{option.help or ''}{ending}"


def _foot(about: About) -> list[str]:
    lines = _heading("Examples")
    for example, text in about.examples:
        lines += [f"  $ {example}", *_wrapped(text, "      ")]
    return [*lines, "", f"{_bold('More:')} cnncli docs {about.page}"]
