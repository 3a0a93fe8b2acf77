"""What fetching and verifying tell whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """A watcher. A task has a name; its calls may come from several threads."""

    def begin(self, task: str, total_bytes: int | None) -> None:
        """A task starts; ``total_bytes`` is None where its progress cannot be seen."""

    def update(self, task: str, done_bytes: int) -> None:
        """So much of the task is done."""

    def end(self, task: str) -> None:
        """The task is over, whether it succeeded or not."""

    def say(self, line: str) -> None:
        """One line for the user."""


class SilentProgress:
    """Tells nobody."""

    def begin(self, task: str, total_bytes: int | None) -> None:
        """Ignored."""

    def update(self, task: str, done_bytes: int) -> None:
        """Ignored."""

    def end(self, task: str) -> None:
        """Ignored."""

    def say(self, line: str) -> None:
        """Ignored."""


@contextmanager
def watched(progress: Progress, task: str, total_bytes: int | None) -> Iterator[Callable[[int], None]]:
    """Begins and ends a task; what it yields is called with the bytes done so far."""
    progress.begin(task, total_bytes)
    try:
        yield lambda done_bytes: progress.update(task, done_bytes)
    finally:
        progress.end(task)
