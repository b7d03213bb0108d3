"""The command line: parse, call one function, print, exit code. Nothing heavy is imported before a command runs."""

from cnncli.cli.app import main

__all__ = ["main"]
