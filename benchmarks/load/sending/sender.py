"""The sending process: ``python -m benchmarks.load.sending.sender``, started by `sender_process`.

It talks to its parent over standard input and output; `sender_messages` says how.
"""

from __future__ import annotations

import gc
import sys
import time
from collections import deque
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.common.background import Background
from benchmarks.load.figures.samples import RequestSample, encode
from benchmarks.load.sending.clips import InputClip, choose_clips, shuffled_rounds
from benchmarks.load.sending.clock import SystemClock
from benchmarks.load.sending.driver import Driver
from benchmarks.load.sending.sender_messages import (
    SenderFailed,
    SenderFinished,
    SenderMessage,
    SenderReady,
    SendProgress,
    TrialOrder,
)
from errors import RelevoError
from modules.audio.files import read_audio
from workers.client.client import Client
from workers.processes.lifetime import die_with

REPORT_S = 0.5  # between two reports of progress
SWITCH_S = 0.0005  # how long the client's thread may keep the sending one from running; Python's default is 5 ms
RATE_OVER_S = 5.0  # stretch that the live rate is of
RECENT = 200  # samples that the live percentiles are of


class ProgressReporter(Background):
    """Reports the progress of a driver from a thread of its own."""

    def __init__(self, driver: Driver) -> None:
        super().__init__(REPORT_S)
        self._driver = driver
        self._ended_at: deque[tuple[float, int]] = deque(maxlen=round(RATE_OVER_S / REPORT_S))

    def tick(self) -> None:
        """Reports once."""
        _write(self._progress())

    def _progress(self) -> SendProgress:
        ended = len(self._driver.samples)
        recent = [one.latency_s for one in self._driver.samples[max(0, ended - RECENT) : ended] if one.outcome == "ok"]
        p50_s, p95_s = map(float, np.quantile(recent, [0.5, 0.95])) if recent else (None, None)
        now = time.monotonic()
        self._ended_at.append((now, ended))
        then, before = self._ended_at[0]
        rate = (ended - before) / (now - then) if now > then else 0.0
        in_flight = self._driver.in_flight
        return SendProgress(ended + in_flight, ended, rate, in_flight, p50_s, p95_s)


def main() -> None:
    """Carries out one order; exits silently when the parent ended before it gave one."""
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        return
    order = msgspec.json.decode(line, type=TrialOrder)
    die_with(order.parent)
    try:
        carry_out(order)
    except RelevoError as error:
        _write(SenderFailed(str(error)))


def carry_out(order: TrialOrder) -> None:
    """Sends the requests of an order, and appends their samples to its file.

    Raises:
        RelevoError: a clip cannot be read, a trace names a clip that is missing, or no relay answers.
    """
    clips = [InputClip(Path(file).name, read_audio(Path(file))) for file in order.files]
    chosen = choose_clips(clips, order.arrivals, order.seed)
    with Path(order.samples).open("ab") as file, Client(order.address, order.keys) as client:
        client.status()

        def keep(sample: RequestSample) -> None:
            file.write(encode(sample))

        driver = Driver(client, SystemClock(), trial=order.trial, warm_up=order.warm_up, on_sample=keep)
        sys.setswitchinterval(SWITCH_S)
        gc.collect()
        gc.disable()  # a collection would delay the requests due meanwhile, and few objects here are in cycles
        _write(SenderReady())
        if not _told_to_go_on():
            return
        began = time.monotonic()
        with ProgressReporter(driver):
            if order.callers:
                driver.closed_loop(order.callers, shuffled_rounds(clips, order.seed), order.bound, order.give_up_s)
            else:
                driver.open_loop(order.arrivals, chosen, order.give_up_s)
        wall_s = time.monotonic() - began
        file.flush()
        _write(SenderFinished(len(driver.samples), driver.origin, wall_s))
        _told_to_go_on()


def _told_to_go_on() -> bool:
    """Waits for the parent's empty line; False when the parent has gone."""
    return bool(sys.stdin.buffer.readline())


def _write(message: SenderMessage) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
