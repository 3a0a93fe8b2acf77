"""What `run` shows: each clip's texts and standing while it works, and the figures at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text as Line

from modules.contract.payloads import Audio, Text
from workers.client.result import Event
from workers.report import Clip, Quantiles, Report
from workers.supervisor.slot import SlotView

LINES_AROUND_THE_TABLE = 8


class RunView:
    """A live table on a terminal, and one line an event elsewhere. Safe to call from several threads."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._clips = clips
        self._console = Console()
        self._lock = threading.RLock()
        self._standing: dict[int, str] = {}
        self._texts: dict[tuple[int, str], str] = {}
        self._stages: list[str] = []
        self._start_line = ""
        self._ended: set[int] = set()
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        )
        self._task = self._progress.add_task("starting the relay", total=len(clips))
        self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=8, transient=True)

    def __enter__(self) -> RunView:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def starting(self, replicas: list[SlotView]) -> None:
        """Shows the state of the replicas while the relay comes up."""
        line = "starting: " + ", ".join(f"{replica.name or replica.stage} {replica.state}" for replica in replicas)
        with self._lock:
            if line != self._start_line:
                self._start_line = line
                self._say(line)

    def running(self, stages: list[str]) -> None:
        """The relay is ready."""
        with self._lock:
            self._stages = stages
            self._start_line = ""
            self._progress.update(self._task, description="translating")

    def sent(self, clip: Clip) -> None:
        """A clip was submitted."""
        self._stand(clip, "waiting")

    def listener(self, clip: Clip) -> Callable[[Event], None]:
        """What to call with the events of a clip."""
        return lambda event: self._event(clip, event)

    def ended(self, clip: Clip) -> None:
        """A clip has its outcome."""
        with self._lock:
            self._ended.add(id(clip))
            self._progress.update(self._task, completed=len(self._ended))
            self._stand(clip, _verdict(clip))
            self._say(f"{_name(clip)}: {_verdict(clip)}")

    def _event(self, clip: Clip, event: Event) -> None:
        with self._lock:
            match event.payload:
                case None:
                    self._stand(clip, event.stage)
                case Text(text):
                    key = (id(clip), event.stage)
                    self._texts[key] = f"{self._texts.get(key, '')} {text}".strip()
                    self._say(f"{_name(clip)}: {event.stage}: {text}")
                case Audio() as audio:
                    self._stand(clip, f"{event.stage}: phrase {event.path[-1] + 1}")
                    self._say(f"{_name(clip)}: {event.stage}: {audio.seconds:.1f} s of audio after {event.at_s:.1f} s")

    def _stand(self, clip: Clip, standing: str) -> None:
        with self._lock:
            self._standing[id(clip)] = standing

    def _say(self, line: str) -> None:
        if not self._console.is_terminal:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _render(self) -> RenderableType:
        with self._lock:
            parts: list[RenderableType] = [Line(self._start_line)] if self._start_line else []
            if self._standing:
                parts.append(self._table())
            return Group(*parts, self._progress)

    def _table(self) -> Table:
        table = Table(expand=True)
        table.add_column("clip", no_wrap=True)
        table.add_column("s", justify="right")
        table.add_column("stands at", no_wrap=True)
        text_stages = [stage for stage in self._stages if any(key[1] == stage for key in self._texts)]
        for stage in text_stages:
            table.add_column(stage, ratio=1, no_wrap=True, overflow="ellipsis")
        begun = [clip for clip in self._clips if id(clip) in self._standing]
        room = max(3, self._console.height - LINES_AROUND_THE_TABLE)
        for clip in begun[-room:]:
            texts = (Line(self._texts.get((id(clip), stage), "")) for stage in text_stages)
            seconds = "" if clip.seconds is None else f"{clip.seconds:.1f}"
            table.add_row(_name(clip), seconds, Line(self._standing[id(clip)]), *texts)
        return table


def print_report(report: Report) -> None:
    """Prints every clip's texts and file, a table of the stages, and the figures of the whole."""
    console = Console()
    for clip in report.clips:
        seconds = "" if clip.seconds is None else f"  {clip.seconds:.1f} s"
        latency = "" if clip.latency_s is None else f" in {clip.latency_s:.2f} s"
        console.print(Line(f"{clip.file}{seconds}  {clip.outcome}{latency}", style="bold"))
        remarks = [f"{stage}: {text}" for stage, text in clip.texts.items()]
        remarks += [*clip.notes, *filter(None, [clip.error])]
        if clip.outcome == "ok":
            remarks.append(f"→ {clip.wav}" if clip.wav else "nothing to say: no speech was found")
        for remark in remarks:
            console.print(Line(f"    {remark}"), soft_wrap=True)
    table = Table(title="stages; times are p50 / p95 in seconds")
    for column in ("stage", "replicas × threads", "jobs", "queue", "service", "jobs/s", "busy"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for name, stage in report.stages.items():
        table.add_row(
            name,
            f"{stage.replicas} × {stage.threads}",
            str(stage.jobs),
            _quantiles(stage.queue_s),
            _quantiles(stage.service_s),
            f"{stage.throughput_rps:.2f}",
            f"{stage.busy:.0%}",
        )
    console.print(table)
    latency = f"latency p50 / p95 {_quantiles(report.latency_s)} s"
    whole = [latency, f"throughput {report.throughput_rps:.2f} requests/s"]
    if report.real_time_factor is not None:
        whole.append(f"real-time factor {report.real_time_factor:.2f}")
    if report.ready_s is not None:
        whole.append(f"ready after {report.ready_s:.1f} s")
    console.print(Line("; ".join(whole)))


def _quantiles(quantiles: Quantiles) -> str:
    return " / ".join("–" if value is None else f"{value:.2f}" for value in (quantiles.p50, quantiles.p95))


def _name(clip: Clip) -> str:
    return Path(clip.file).name


def _verdict(clip: Clip) -> str:
    if clip.outcome != "ok":
        return f"{clip.outcome}: {clip.error or (clip.result.error if clip.result else '')}"
    return "done" if clip.wav else "done, nothing to say"
