"""The progress of a tuning run on the terminal."""

from __future__ import annotations

from collections.abc import Callable

from rich.progress import Progress

from commands.tables import SafeConsole


class TuneProgress:
    """A progress bar on standard error while its `with` block runs."""

    def __init__(self) -> None:
        self._progress = Progress(console=SafeConsole(stderr=True), transient=True)
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> TuneProgress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, title: str, total: int | None = None) -> Callable[..., None]:
        """Begins a bar of `total` steps (None: not known), and returns a callback that advances it by one."""
        self._progress.reset(self._task, description=title, total=total)
        return lambda *_: self._progress.advance(self._task)

    def describe(self, title: str) -> None:
        """Changes the text in front of the bar."""
        self._progress.update(self._task, description=title)
