"""Reports progress while models are fetched, converted and verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Receives progress. A task is known by its name. Calls may come from several threads."""

    def begin(self, task: str, total_bytes: int | None) -> None:
        """Notes that a task begins; ``total_bytes`` is None if its progress cannot be measured."""

    def update(self, task: str, done_bytes: int) -> None:
        """Notes that ``done_bytes`` of the task are done."""

    def end(self, task: str) -> None:
        """Notes that the task ended, whether it succeeded or not."""

    def say(self, line: str) -> None:
        """Shows the user a line."""


class SilentProgress:
    """Ignores all progress."""

    def begin(self, task: str, total_bytes: int | None) -> None:
        """Does nothing."""

    def update(self, task: str, done_bytes: int) -> None:
        """Does nothing."""

    def end(self, task: str) -> None:
        """Does nothing."""

    def say(self, line: str) -> None:
        """Does nothing."""


@contextmanager
def watched(progress: Progress, task: str, total_bytes: int | None) -> Iterator[Callable[[int], None]]:
    """Begins a task and ends it afterwards. Yields a function that takes the number of bytes done so far."""
    progress.begin(task, total_bytes)
    try:
        yield lambda done_bytes: progress.update(task, done_bytes)
    finally:
        progress.end(task)
