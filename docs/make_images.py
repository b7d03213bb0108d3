"""Draw the pictures of README and docs again, from real runs: ``python -m docs.make_images [NAME …]``.

``train`` records ``cnncli train digits`` in a terminal of 100 columns (not on Windows) and writes
``train.svg``; the others train a config and keep one of its pictures.
"""

import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
COLUMNS, LINES = 100, 50
FIRST, LAST = 18, 30  # lines that are kept
COMMAND = ("train", "digits")
DRAWN = {  # image: config, what is set in it, picture of the run
    "airline": ("forecasting/airline", ["dataset.file=airline-passengers.csv"], "result.png"),
    "breast-cancer": ("binary/breast-cancer", [], "result.png"),
    "diabetes": ("regression/diabetes", [], "result.png"),
    "text-lstm": ("text/lstm", ["dataset.path=tinyshakespeare.txt"], "curves.png"),
}
_CONTROL = re.compile(r"\x1b\[(?P<number>[0-9;?]*)(?P<letter>[A-Za-z])|\x1b\][^\x07]*\x07|[\r\n]")


def recorded(command: list[str], folder: Path) -> str:
    """All that a command writes to a terminal of 100 columns."""
    import fcntl  # these three are not on Windows
    import pty
    import termios

    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        environment.pop(name, None)
    with subprocess.Popen(command, cwd=folder, env=environment, stdin=end, stdout=end, stderr=end) as process:
        os.close(end)
        text = _all_of(terminal).decode()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: failed\n{text}")
    return text


def _all_of(terminal: int) -> bytes:
    chunks = []
    try:
        while chunk := os.read(terminal, 65536):
            chunks.append(chunk)
    except OSError:  # so says Linux that the last writer is gone
        pass
    os.close(terminal)
    return b"".join(chunks)


def screen(text: str) -> list[str]:
    """The lines that are left on a terminal, with their colours: what progress bars have drawn over is gone."""
    lines, row, fresh, begin = [""], 0, False, 0

    def write(part: str) -> None:
        nonlocal fresh
        if part:
            lines[row] = part if fresh else lines[row] + part
            fresh = False

    for found in _CONTROL.finditer(text):
        write(text[begin : found.start()])
        begin = found.end()
        if found["letter"] == "m":
            write(found[0])
        elif found["letter"] == "K":
            lines[row] = ""
        elif found["letter"] == "A":
            row = max(row - int(found["number"] or 1), 0)
        elif found[0] == "\r":
            fresh = True
        elif found[0] == "\n":
            row, fresh = row + 1, True
            lines += [""] * (row + 1 - len(lines))
    write(text[begin:])
    return [line.rstrip() for line in lines]


def svg(lines: list[str], title: str) -> str:
    """A picture of a terminal with these lines; what is in the middle of many is left out."""
    while lines and not Text.from_ansi(lines[-1]).plain.strip():
        lines = lines[:-1]
    if len(lines) > FIRST + LAST:
        lines = [*lines[:FIRST], "  …", *lines[-LAST:]]
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        for line in lines:
            console.print(Text.from_ansi(line), soft_wrap=True)
    return console.export_svg(title=title)


def make_train() -> None:
    """A first training as a user sees it."""
    with tempfile.TemporaryDirectory() as folder:
        text = recorded([sys.executable, "-m", "cnncli", *COMMAND], Path(folder))
    prompt = f"$ cnncli {' '.join(COMMAND)}"
    (IMAGES / "train.svg").write_text(svg([prompt, *screen(text)], "cnncli"))


def make_drawn(name: str) -> None:
    """A picture that a shipped config leaves; CNNCLI_DATA names the folder of its data."""
    config, overrides, picture = DRAWN[name]
    with tempfile.TemporaryDirectory() as folder:
        path = ROOT / "configs" / f"{config}.yaml"
        command = [
            sys.executable,
            "-m",
            "cnncli",
            "train",
            path,
            *overrides,
            "--runs-dir",
            folder,
            "--name",
            f"{name}/one",
        ]
        subprocess.run(command, check=True)
        shutil.copy(Path(folder) / name / "one" / picture, IMAGES / f"{name}.png")


def main(names: list[str]) -> None:
    """Make the images of these names; of none all."""
    for name in names or ["train", *DRAWN]:
        if name == "train":
            make_train()
        elif name in DRAWN:
            make_drawn(name)
        else:
            raise SystemExit(f"{name}: no such image; one of train, {', '.join(DRAWN)}")


if __name__ == "__main__":
    main(sys.argv[1:])
