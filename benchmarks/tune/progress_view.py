"""The progress of a tuning run on standard error."""

from __future__ import annotations

from collections.abc import Callable

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.load.formatting import count_text
from commands.output import say
from commands.tables import SafeConsole


class TuneProgress:
    """Shows a bar on a terminal while its `with` block runs, and prints one line for each step elsewhere."""

    def __init__(self) -> None:
        self._console = SafeConsole(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> TuneProgress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, title: str, total: int | None = None) -> Callable[..., None]:
        """Begins a bar of `total` steps (None: not known), and returns a callback that advances it by one."""
        self._progress.reset(self._task, description=title, total=total)
        self._print(title if total is None else f"{title}: {count_text(total, 'step')}")
        return lambda *_: self._progress.advance(self._task)

    def describe(self, title: str) -> None:
        """Changes the text in front of the bar."""
        self._progress.update(self._task, description=title)
        self._print(title)

    def _print(self, line: str) -> None:
        if not self._console.is_terminal:
            say(line, error=True)
