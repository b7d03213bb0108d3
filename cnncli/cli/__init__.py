"""The command line: parse, call one function, print, exit code. Nothing heavy is imported before a command runs."""

import sys
from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> None:
    """The ``cnncli`` command; Ctrl-C while its own modules are imported is told as it is later."""
    try:
        from cnncli.cli.app import main as begin
    except KeyboardInterrupt:
        print("interrupted: stopped by Ctrl-C", file=sys.stderr)
        sys.exit(130)
    begin(args)


__all__ = ["main"]
