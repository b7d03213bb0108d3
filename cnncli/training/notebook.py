"""The progress bar of a notebook: HTML that every front end shows, without widgets."""

import importlib
import time
from html import escape
from typing import Any

from rich.progress import Progress, TaskID

PLACE = "_place_of_bars"  # of a console: all its bars are drawn in one place, one after the other
EVERY = 0.2  # seconds between two drawings


class NotebookProgress(Progress):
    """A rich progress bar whose last column stands beside an HTML one; it is gone when its work is done."""

    def start(self) -> None:
        ipython: Any = importlib.import_module("IPython.display")  # untyped, and there where a notebook is
        self._html, self._drawn = ipython.HTML, 0.0
        if not hasattr(self.console, PLACE):
            setattr(self.console, PLACE, ipython.display(ipython.HTML(""), display_id=True))
        self._handle: Any = getattr(self.console, PLACE)

    def stop(self) -> None:
        self._handle.update(self._html(""))

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self.refresh()

    def update(self, task_id: TaskID, **fields: Any) -> None:
        super().update(task_id, **fields)
        self.refresh()

    def refresh(self) -> None:
        if time.monotonic() - self._drawn < EVERY:
            return
        self._drawn = time.monotonic()
        self._handle.update(self._html("".join(map(self._row, self.tasks))))

    def _row(self, task: Any) -> str:
        beside = self.columns[-1](task)  # type: ignore[operator]
        bar = f'<progress value="{task.completed}" max="{task.total or 1}" style="width: 20em"></progress>'
        return f"<div>{escape(task.description)} {bar} <code>{escape(str(beside))}</code></div>"
