"""Shows the progress of `relevo run`: the texts and the state of each recording."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text as Line

from commands.output import printable, say
from commands.run.recordings import Recording
from commands.tables import SafeConsole
from modules.contract.payloads import Audio, Text
from workers.client.result import Event
from workers.supervisor.replica_view import ReplicaView

LINES_AROUND_THE_TABLE = 8
LEAST_TABLE_COLUMNS = 80  # on a terminal with fewer, a recording gets lines instead of a row
LEAST_ROWS = 3


class RunView:
    """Shows a live table on a terminal, and one line an event elsewhere. Any thread may call it."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self._recordings = recordings
        self._console = SafeConsole()
        self._lock = threading.RLock()
        self._states: dict[Recording, str] = {}
        self._texts: dict[tuple[Recording, str], str] = {}
        self._stages: list[str] = []
        self._start_line = ""
        self._ended: set[Recording] = set()
        self._progress = Progress(
            TextColumn("{task.description}", table_column=Column(overflow="fold")),  # numbers stay whole
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._task = self._progress.add_task("starting the relay", total=len(recordings))
        self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=8, transient=True)

    def __enter__(self) -> RunView:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def starting(self, replicas: list[ReplicaView]) -> None:
        """Shows the state of the replicas while the relay comes up."""
        line = "starting: " + ", ".join(f"{replica.name or replica.stage} {replica.state}" for replica in replicas)
        with self._lock:
            if line != self._start_line:
                self._start_line = line
                self._say(line)

    def running(self, stages: list[str]) -> None:
        """Shows that the relay is ready."""
        with self._lock:
            self._stages = stages
            self._start_line = ""
            self._progress.update(self._task, description="translating")

    def sent(self, recording: Recording) -> None:
        """Shows that a recording was submitted."""
        with self._lock:
            self._states[recording] = "waiting"

    def listener(self, recording: Recording) -> Callable[[Event], None]:
        """Returns the function that takes the events of a recording."""
        return lambda event: self._take(recording, event)

    def ended(self, recording: Recording) -> None:
        """Shows the outcome of a recording."""
        outcome = _outcome(recording)
        with self._lock:
            self._ended.add(recording)
            self._progress.update(self._task, completed=len(self._ended))
            self._states[recording] = outcome
            self._say(f"{recording.name}: {outcome}")

    def _take(self, recording: Recording, event: Event) -> None:
        with self._lock:
            match event.payload:
                case None:
                    self._states[recording] = event.stage
                case Text(text):
                    key = (recording, event.stage)
                    self._texts[key] = f"{self._texts.get(key, '')} {text}".strip()
                    self._say(f"{recording.name}: {event.stage}: {text}")
                case Audio() as audio:
                    self._states[recording] = f"{event.stage}: phrase {event.path[-1] + 1}"
                    after = f"{audio.seconds:.1f} s of audio after {event.at_s:.1f} s"
                    self._say(f"{recording.name}: {event.stage}: {after}")

    def _say(self, line: str) -> None:
        if not self._console.is_terminal:
            say(line)

    def _render(self) -> RenderableType:
        with self._lock:
            parts: list[RenderableType] = [Line(printable(self._start_line))] if self._start_line else []
            if self._states:
                narrow = self._console.width < LEAST_TABLE_COLUMNS
                parts.append(self._lines() if narrow else self._table())
            return Group(*parts, self._progress)

    def _shown(self, lines_each: int) -> list[Recording]:
        """Returns the recordings that were begun last, as many as there is room for."""
        room = (self._console.height - LINES_AROUND_THE_TABLE) // lines_each
        begun = [recording for recording in self._recordings if recording in self._states]
        return begun[-max(LEAST_ROWS, room) :]

    def _lines(self) -> RenderableType:
        return Group(
            *(
                Line(printable(f"{recording.name}{_seconds(recording)}: {self._states[recording]}"), overflow="fold")
                for recording in self._shown(lines_each=2)
            )
        )

    def _table(self) -> Table:
        table = Table(expand=True)
        table.add_column("recording", no_wrap=True, overflow="ellipsis", max_width=24)
        table.add_column("length", justify="right", no_wrap=True)
        table.add_column("state", no_wrap=True, overflow="ellipsis", max_width=24)
        text_stages = [stage for stage in self._stages if any(key[1] == stage for key in self._texts)]
        for stage in text_stages:
            table.add_column(stage, ratio=1, no_wrap=True, overflow="ellipsis")
        for recording in self._shown(lines_each=1):
            texts = (self._texts.get((recording, stage), "") for stage in text_stages)
            cells = (recording.name, _seconds(recording), self._states[recording], *texts)
            table.add_row(*(Line(printable(cell)) for cell in cells))
        return table


def _seconds(recording: Recording) -> str:
    return "" if recording.clip.seconds is None else f" {recording.clip.seconds:.1f} s"


def _outcome(recording: Recording) -> str:
    clip = recording.clip
    if clip.outcome != "ok":
        return f"{clip.outcome}: {clip.error or (clip.result.error if clip.result else '')}"
    return "done" if clip.wav else "done, nothing to say"
