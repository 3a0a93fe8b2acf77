"""One trial: a schedule sent by a process of its own to a relay that is watched meanwhile."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import psutil

from benchmarks.load.figures.samples import RequestSample, read_samples
from benchmarks.load.sending.sender import (
    SenderFailed,
    SenderFinished,
    SenderMessage,
    SenderReady,
    SendProgress,
    TrialOrder,
)
from benchmarks.load.trials.relay_state import RelayState, RelayWatcher
from benchmarks.load.trials.relay_under_load import RelayUnderLoad
from checkout import ROOT
from errors import RelayError, RelevoError

IDLE_S = 120.0  # how long a relay may take to finish what the trial before has left in service
_decode = msgspec.json.Decoder(SenderMessage).decode
Told = TypeVar("Told", SenderReady, SenderFinished)


class Trial(msgspec.Struct, frozen=True):
    """What is kept of a trial beside its samples.

    `rate` is the offered one, in requests per second, and 0 for a closed loop. `cpu_s` is what the relay's processes
    used from the first request to the last outcome, None when they are not on this machine; `sender_cpu_s` is the
    sender's own. Times of `standings` are seconds from the beginning of the trial.
    """

    number: int
    arrivals: str
    rate: float
    seed: int
    requests: int
    wall_s: float
    cpu_s: float | None
    sender_cpu_s: float
    standings: list[RelayState]


class SenderProcess:
    """The process of `benchmarks.load.sending.sender`, with the lines to and from it."""

    def __init__(self, order: TrialOrder) -> None:
        """Starts it; it dies with the thread that does."""
        search = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load.sending.sender"],
            env={**os.environ, "PYTHONPATH": search},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for us alone, who end it
        )
        self.pid = self._process.pid
        self._write(msgspec.json.encode(order))

    def __enter__(self) -> SenderProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._process.kill()
        self._process.communicate()

    def cpu_s(self) -> float:
        """CPU seconds that it has used so far."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def go_on(self) -> None:
        """Lets it go on from where it waits for us."""
        self._write(b"")

    def until(self, wanted: type[Told], on_progress: Callable[[SendProgress], None]) -> Told:
        """Waits for what it is to tell, and hands on its progress meanwhile.

        Raises:
            RelevoError: it could not do what it was ordered, or died.
        """
        assert self._process.stdout is not None
        for line in self._process.stdout:
            match _decode(line):
                case SendProgress() as progress:
                    on_progress(progress)
                case SenderFailed(message):
                    raise RelevoError(message)
                case told if isinstance(told, wanted):
                    return told
        raise RelayError(f"the sender of the load ended with status {self._process.wait()}; its last words are above")

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died: `until` says so
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()


def run_trial(
    relay: RelayUnderLoad, order: TrialOrder, *, arrivals: str, rate: float, on_progress: Callable[[SendProgress], None]
) -> tuple[Trial, list[RequestSample]]:
    """Sends an order (its `samples` is filled in here) and returns the trial and its samples, in order of schedule.

    Args:
        relay: where to; it must be idle, and is waited for.
        order: what to send.
        arrivals: the process, in words.
        rate: the offered rate.
        on_progress: called a few times a second.

    Raises:
        RelevoError: a clip cannot be read, no relay answers, or the sender died.
    """
    relay.wait_until_idle(IDLE_S)
    with tempfile.TemporaryDirectory(prefix="relevo-load-") as folder:
        file = Path(folder) / "samples.jsonl"
        order = msgspec.structs.replace(order, samples=str(file), parent=os.getpid())
        with SenderProcess(order) as sender, RelayWatcher(relay.client, relay.starts) as watch:
            sender.until(SenderReady, on_progress)
            before, own_before = relay.cpu_s(sender.pid), sender.cpu_s()
            sender.go_on()
            finished = sender.until(SenderFinished, on_progress)
            after, own_after = relay.cpu_s(sender.pid), sender.cpu_s()
            sender.go_on()
        samples = sorted(read_samples(file), key=lambda sample: sample.number)
    if len(samples) != finished.requests:
        raise RelayError(
            f"{finished.requests} requests ended and {len(samples)} samples were written; is the disk full?"
        )
    trial = Trial(
        number=order.trial,
        arrivals=arrivals,
        rate=rate,
        seed=order.seed,
        requests=len(samples),
        wall_s=finished.wall_s,
        cpu_s=None if before is None or after is None else after - before,
        sender_cpu_s=own_after - own_before,
        standings=[msgspec.structs.replace(one, at_s=one.at_s - finished.origin) for one in watch.standings],
    )
    return trial, samples
