"""Sends recordings through a relay and gathers the results."""

from __future__ import annotations

import argparse
import contextlib
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from typing import TypeAlias

from commands.options import client_of, make_folder
from commands.own_relay import MakeOwnRelay, OwnRelay
from commands.run.recordings import Recording, prepare_report, recordings_of
from commands.run.summary import print_summary
from commands.run.view import RunView
from commands.signals import end_by, take
from errors import InputError, RelevoError
from modules.audio.files import read_audio
from workers.client import Client
from workers.client.result import Result
from workers.processes.termination import on_termination
from workers.report import Report, make_report

Ended: TypeAlias = "SimpleQueue[Future[Result] | signal.Signals]"


def translate_files(make_relay: MakeOwnRelay, arguments: argparse.Namespace) -> int:
    """Translates the files that the arguments name; 1 when any of them failed.

    Raises:
        ConfigError: the configuration is wrong, or the folder of the speech or of the report cannot be made.
        RelevoError: the relay does not come up, or the report cannot be written.
    """
    relay = None if arguments.connect is not None else make_relay(arguments)
    make_folder(arguments.output, "--output")
    if arguments.report is not None:
        prepare_report(arguments.report)
    recordings = recordings_of(arguments.files, arguments.output)
    report = _translate_all(relay, arguments, recordings)
    try:
        if arguments.report is not None:
            _write_report(arguments.report, report)
    finally:
        print_summary(report)
    return 0 if all(recording.clip.outcome == "ok" for recording in recordings) else 1


def _translate_all(relay: OwnRelay | None, arguments: argparse.Namespace, recordings: list[Recording]) -> Report:
    clips = [recording.clip for recording in recordings]
    ended: Ended = SimpleQueue()
    with RunView(recordings) as view:
        readable = []
        for recording in recordings:
            if recording.check():
                readable.append(recording)
            else:
                view.ended(recording)
        if not readable:
            return make_report(clips, stages=[], wall_s=0.0, ready_s=None)
        with _running(relay, arguments, view) as (client, ready_s):
            on_termination(ended.put)
            stages = client.status().stages
            view.running([stage.name for stage in stages])
            began = time.monotonic()
            for recording in _translated(client, readable, arguments.in_flight, view, ended):
                recording.write_speech()
                view.ended(recording)
            wall_s = time.monotonic() - began
    return make_report(clips, stages, wall_s, ready_s)


@contextlib.contextmanager
def _running(
    relay: OwnRelay | None, arguments: argparse.Namespace, view: RunView
) -> Iterator[tuple[Client, float | None]]:
    """Yields a client of the relay and, when the relay is our own, the seconds until it was ready."""
    if relay is None:
        with client_of(arguments) as client:
            yield client, None
        return
    relay.start(view.starting)
    try:
        yield relay.client, relay.ready_s
    finally:
        relay.stop(drain_s=0.0)


def _translated(
    client: Client, recordings: Sequence[Recording], in_flight: int, view: RunView, ended: Ended
) -> Iterator[Recording]:
    """Sends the recordings, at most `in_flight` at once, and yields each when it has ended."""
    running: dict[Future[Result], Recording] = {}
    for recording in recordings:
        while len(running) >= in_flight or not ended.empty():
            yield _next_ended(running, ended)
        try:
            audio = read_audio(recording.path)
            recording.clip.seconds = audio.seconds
            view.sent(recording)
            future = client.submit(audio, on_event=view.listener(recording), priority="batch", patient=True)
        except InputError as error:
            recording.fail(error)
            yield recording
            continue
        running[future] = recording
        future.add_done_callback(ended.put)
    while running:
        yield _next_ended(running, ended)


def _next_ended(running: dict[Future[Result], Recording], ended: Ended) -> Recording:
    one = take(ended)
    if isinstance(one, signal.Signals):
        end_by(one)
    recording = running.pop(one)
    recording.clip.result = one.result()
    return recording


def _write_report(file: Path, report: Report) -> None:
    try:
        file.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise RelevoError(f"cannot write --report {file}: {error.strerror}; name another file or make room") from error
