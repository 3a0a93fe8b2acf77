"""`python pipeline.py run`: puts recordings through a relay and reports what came of each."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from typing import TypeAlias

from commands.opened_relay import OpenRelay
from commands.options import add_config_options, add_connect_options, client_of
from commands.run_view import RunView, print_report
from commands.signals import end_by, send_signals_to, take
from errors import ConfigError, InputError
from modules.audio.files import read_audio, write_wav
from workers.client.client import Client
from workers.client.result import Result
from workers.report import Clip, make_report

DEFAULT_IN_FLIGHT = 16

Ended: TypeAlias = "SimpleQueue[Future[Result] | signal.Signals]"


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], run: Callable[[argparse.Namespace], int]
) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "run",
        help="translate recordings",
        description="Puts recordings (wav, flac, mp3, ogg, m4a; any rate, mono or stereo) through a relay, shows each "
        "one's texts as they come, writes the speech as WAV files, and prints what each stage took.",
        epilog="Exit status: 0 all went well, 1 a recording failed, 2 wrong usage or configuration.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="recordings to translate")
    parser.add_argument(
        "--output", type=Path, default=Path("output"), metavar="DIR", help="folder for the WAV files (default: output)"
    )
    parser.add_argument("--report", type=Path, metavar="FILE.json", help="write every figure as JSON")
    parser.add_argument(
        "--in-flight",
        type=int,
        default=DEFAULT_IN_FLIGHT,
        metavar="N",
        help=f"most recordings on their way at once (default: {DEFAULT_IN_FLIGHT})",
    )
    add_connect_options(parser, "use the relay that `serve` keeps up there, instead of starting one", required=False)
    add_config_options(parser)
    parser.set_defaults(run=run)


def run(open_relay: OpenRelay, arguments: argparse.Namespace) -> int:
    """Translates the files; 1 when any of them failed."""
    if arguments.in_flight < 1:
        raise ConfigError(f"--in-flight {arguments.in_flight}: at least one recording must be on its way")
    clips = [Clip(file) for file in arguments.files]
    ended: Ended = SimpleQueue()
    with RunView(clips) as view, _relay(open_relay, arguments, view) as (client, ready_s):
        send_signals_to(ended)
        stages = client.status().stages
        view.running([stage.name for stage in stages])
        began = time.monotonic()
        for clip in _translated(client, clips, arguments.in_flight, view, ended):
            _write_audio(clip, arguments.output, clips)
            view.ended(clip)
        wall_s = time.monotonic() - began
    report = make_report(clips, stages, wall_s, ready_s)
    print_report(report)
    if arguments.report is not None:
        try:
            arguments.report.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"cannot write --report {arguments.report}: {error.strerror}") from error
    return 0 if all(clip.outcome == "ok" for clip in clips) else 1


@contextlib.contextmanager
def _relay(
    open_relay: OpenRelay, arguments: argparse.Namespace, view: RunView
) -> Iterator[tuple[Client, float | None]]:
    """A client of the relay to use, and how long that took to be ready when it is our own."""
    if arguments.connect is not None:
        with client_of(arguments) as client:
            yield client, None
        return
    relay = open_relay(arguments)
    relay.start(view.starting)
    try:
        yield relay.client, relay.ready_s
    finally:
        relay.stop(drain_s=0.0)


def _translated(client: Client, clips: Sequence[Clip], in_flight: int, view: RunView, ended: Ended) -> Iterator[Clip]:
    """Sends the clips, at most so many at once, and yields each when it has ended."""
    running: dict[Future[Result], Clip] = {}
    for clip in clips:
        while len(running) >= in_flight or not ended.empty():
            yield _settled(running, ended)
        try:
            audio = read_audio(Path(clip.file))
        except InputError as error:
            clip.error = str(error)
            yield clip
            continue
        clip.seconds = audio.seconds
        view.sent(clip)
        future = client.submit(audio, on_event=view.listener(clip), priority="batch", patient=True)
        running[future] = clip
        future.add_done_callback(ended.put)
    while running:
        yield _settled(running, ended)


def _settled(running: dict[Future[Result], Clip], ended: Ended) -> Clip:
    one = take(ended)
    if isinstance(one, signal.Signals):
        end_by(one)
    clip = running.pop(one)
    clip.result = one.result()
    return clip


def _write_audio(clip: Clip, folder: Path, clips: Sequence[Clip]) -> None:
    """Writes a clip's speech; files of the same name get their number in the run."""
    if clip.result is None or clip.result.audio is None:
        return
    stem = Path(clip.file).stem
    alike = [other for other in clips if Path(other.file).stem == stem]
    number = f"-{clips.index(clip) + 1}" if len(alike) > 1 else ""
    target = folder / f"{stem}{number}.zh.wav"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_wav(target, clip.result.audio)
    except OSError as error:
        clip.error = f"cannot write {target}: {error.strerror}; choose another --output or make room"
        print(clip.error, file=sys.stderr)
    else:
        clip.wav = str(target)
