"""Shows the user how far a download or a conversion is."""

from __future__ import annotations

import time
from threading import Lock

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Column

from commands.output import printable, say
from commands.tables import SafeConsole
from modules.weights.disk import megabytes
from modules.weights.progress import Progress

LINE_EVERY_S = 5.0
LONG_BYTES = 10_000_000


def watcher() -> TerminalWatcher | LineWatcher:
    """Makes the watcher that suits standard error."""
    console = SafeConsole(stderr=True)
    return TerminalWatcher(console) if console.is_terminal else LineWatcher()


class TerminalWatcher:
    """Shows bars on a terminal: of a download the bytes that pip or npm has written, of a conversion only its time."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            TextColumn("{task.description}", markup=False, table_column=Column(overflow="fold")),  # numbers stay whole
            BarColumn(),
            DownloadColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._ids: dict[str, TaskID] = {}

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, task: str, total_bytes: int | None) -> None:
        self._ids[task] = self._bars.add_task(printable(task), total=total_bytes)

    def update(self, task: str, done_bytes: int) -> None:
        self._bars.update(self._ids[task], completed=done_bytes)

    def end(self, task: str) -> None:
        self._bars.remove_task(self._ids.pop(task))

    def say(self, line: str) -> None:
        self._bars.console.print(printable(line), highlight=False, markup=False)


class LineWatcher:
    """Prints plain lines where there is no terminal: one when a long task begins, and a few while it lasts."""

    def __init__(self) -> None:
        self._totals: dict[str, int | None] = {}
        self._next_line_s = 0.0
        self._lock = Lock()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        """Does nothing, because there is nothing to close."""

    def begin(self, task: str, total_bytes: int | None) -> None:
        self._totals[task] = total_bytes
        if total_bytes is None or total_bytes >= LONG_BYTES:
            self.say(f"{task} ({megabytes(total_bytes)})" if total_bytes else task)

    def update(self, task: str, done_bytes: int) -> None:
        total = self._totals[task]
        if total is None or total < LONG_BYTES or done_bytes in (0, total):
            return
        with self._lock:
            now_s = time.monotonic()
            if now_s < self._next_line_s:
                return
            self._next_line_s = now_s + LINE_EVERY_S
        self.say(f"{task}: {megabytes(done_bytes)} of {megabytes(total)}")

    def end(self, task: str) -> None:
        del self._totals[task]

    def say(self, line: str) -> None:
        say(line, error=True)
