"""The encodings that this process meets: of file names and arguments, and of what it prints."""

import io
import os
import sys

import cnncli.core.printable  # noqa: F401  (names the error handler as_stored)


def start_in_utf8() -> None:
    """Where Python takes file names and arguments for ASCII, begin this process again as one that knows UTF-8.

    So it is under ``LC_ALL=C`` with ``PYTHONUTF8=0``: not even a folder called ``é`` could be made. The files of such
    a system are called what bytes say, and everything else on it takes UTF-8 as it comes. Returns where nothing is to
    be done; the process that is begun again is the same for whoever has started it.
    """
    if os.name == "posix" and sys.getfilesystemencoding() == "ascii" and not sys.flags.utf8_mode:
        os.environ["PYTHONUTF8"] = "1"  # for the processes that this one starts
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def take_every_sign() -> None:
    """Let standard output and standard error take all characters: those that they lack are shown in ASCII.

    The bytes of file names that are no text stay as they are.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="as_stored")


def unencodable(error: UnicodeEncodeError) -> str:
    """What is wrong, and what to do, where the system's encoding has no name for a file."""
    signs = error.object[error.start : error.end]
    where = f"{error.object}: the names of files are in {error.encoding} here, which has no '{signs}'"
    return f"{where}; set PYTHONUTF8=1, or a locale with UTF-8 (LC_ALL=C.UTF-8)"
