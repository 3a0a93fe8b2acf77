"""What a load test shows while it runs, and its figures at the end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from benchmarks.load import sender
from benchmarks.load.run import Run
from benchmarks.load.statistics import Figure
from benchmarks.load.words import number_text, remarks
from workers.supervisor.replica_view import ReplicaView

WIDTH = 120  # of what goes to a file, where there is no terminal to fit


class LoadView:
    """A progress bar on a terminal, with live figures beside it, and one line a trial elsewhere."""

    def __init__(self) -> None:
        self._console = Console()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[live]}"),
            console=self._console,
            transient=True,
            refresh_per_second=4,  # the cores are the relay's
        )
        self._task: TaskID | None = None

    def __enter__(self) -> LoadView:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def starting(self, replicas: list[ReplicaView]) -> None:
        """The replicas of our own relay, while it comes up."""
        ready = sum(replica.state == "ready" for replica in replicas)
        if self._task is None:
            self._task = self._progress.add_task("starting the relay", total=len(replicas), live="")
        self._progress.update(self._task, completed=ready)

    @contextlib.contextmanager
    def trial(self, title: str, requests: int | None) -> Iterator[None]:
        """Shows one trial of so many requests (None: not known), from its beginning to its end."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(title, total=requests, live="")
        try:
            yield
        finally:
            self._progress.remove_task(self._task)
            self._task = None

    def going(self, progress: sender.Progress) -> None:
        """How the trial goes."""
        live = f"{progress.rate:.3g}/s  in flight {progress.in_flight}"
        if progress.p50_s is not None and progress.p95_s is not None:
            live += f"  p50 {progress.p50_s:.3g} s  p95 {progress.p95_s:.3g} s"
        if self._task is not None:
            self._progress.update(self._task, completed=progress.ended, live=live)

    def say(self, line: str) -> None:
        """One line that stays."""
        self._console.print(Text(line), soft_wrap=True)


def print_run(run: Run) -> None:
    """Prints a table with a line for each level, then what there is to say of the whole."""
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    table = Table(title=f"{run.title}: latencies in seconds from the scheduled moment, with intervals of 95 %")
    for column in ("load", "n", "achieved/s", "p50", "p95", "first audio p50", "in time", "outcomes"):
        table.add_column(column, justify="left" if column in ("load", "outcomes") else "right", overflow="fold")
    for level in run.levels:
        table.add_row(
            level.name,
            str(level.requests),
            number_text(level.achieved_rps),
            _cell(level.latency_s.get("p50")),
            _cell(level.latency_s.get("p95")),
            _cell(level.ttfa_s.get("p50")),
            " ".join(f"{verdict.attained.value:.1%}" for verdict in level.objectives.values()) or "–",
            ", ".join(f"{count} {outcome}" for outcome, count in level.outcomes.items()),
        )
    console.print(table)
    for line in (*remarks(run), *(f"INVALID: {why}" for why in run.invalid)):
        console.print(Text(line), soft_wrap=True)


def _cell(figure: Figure | None) -> str:
    """A figure above its interval; – when there were too few samples."""
    if figure is None:
        return "–"
    return f"{number_text(figure.value)}\n{number_text(figure.low)}–{number_text(figure.high)}"
