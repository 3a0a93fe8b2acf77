"""The progress of a load test on the terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from benchmarks.load.sending.sender_messages import SendProgress
from commands.tables import SafeConsole
from workers.supervisor.replica_view import ReplicaView


class ProgressView:
    """Prints one line for each trial and, on a terminal, a progress bar with live figures beside it."""

    def __init__(self) -> None:
        self._console = SafeConsole()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[live]}", markup=False),
            console=self._console,
            transient=True,
            refresh_per_second=4,  # drawing takes CPU time from the relay
        )
        self._task: TaskID | None = None

    def __enter__(self) -> ProgressView:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show_start(self, replicas: list[ReplicaView]) -> None:
        """Shows how many replicas of the relay are ready while it starts."""
        ready = sum(replica.state == "ready" for replica in replicas)
        if self._task is None:
            self._task = self._progress.add_task("starting the relay", total=len(replicas), live="")
        self._progress.update(self._task, completed=ready)

    @contextlib.contextmanager
    def trial(self, title: str, requests: int | None) -> Iterator[None]:
        """Shows one trial within the `with` block.

        Args:
            title: in front of the bar.
            requests: how many the trial has, or None when that is not known.
        """
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(title, total=requests, live="")
        try:
            yield
        finally:
            self._progress.remove_task(self._task)
            self._task = None

    def show_progress(self, progress: SendProgress) -> None:
        """Updates the bar of the trial."""
        live = f"{progress.rate:.3g}/s  in flight {progress.in_flight}"
        if progress.p50_s is not None and progress.p95_s is not None:
            live += f"  p50 {progress.p50_s:.3g} s  p95 {progress.p95_s:.3g} s"
        if self._task is not None:
            self._progress.update(self._task, completed=progress.ended, live=live)

    def print_line(self, line: str) -> None:
        """Prints a line above the bar that stays."""
        self._console.print(line, soft_wrap=True)
