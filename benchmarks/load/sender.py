"""The process that sends: apart from the relay, its parent and whatever draws the progress, so that none delays it.

It is started by `benchmarks.load.trial`, reads an order from standard input, says `Ready`, waits for one more line,
sends, tells how it goes, and appends every sample to a file as it comes.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections import deque
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.common.background import Background
from benchmarks.load.arrivals import Arrival, Bound
from benchmarks.load.clock import SystemClock
from benchmarks.load.driver import Clip, Driver, WarmUp, choose_clips, clip_turns
from benchmarks.load.samples import Sample, encode
from errors import RelevoError
from modules.audio.files import read_audio
from workers.client.client import Client
from workers.processes.lifetime import die_with

TELL_S = 0.5  # between two lines of progress
SWITCH_S = 0.0005  # how long the client's thread may keep the one that sends from running; Python's default is 5 ms
RECENT = 200  # samples that the live percentiles are of


class Order(msgspec.Struct, frozen=True):
    """One trial, to be sent from a process of its own.

    With `callers` it is a closed loop until `bound`, and otherwise the open loop of `arrivals`. `keys` is the folder
    for a relay that has keys, `samples` the file to append to. What has not ended `give_up_s` after the last arrival
    is cancelled.
    """

    address: str
    files: list[str]
    samples: str
    arrivals: list[Arrival] = []
    callers: int = 0
    bound: Bound = Bound()
    seed: int = 0
    warm_up: WarmUp = WarmUp()
    give_up_s: float = 60.0
    trial: int = 0
    keys: str | None = None
    parent: int = msgspec.field(default_factory=os.getpid)


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The clips are read and the relay has answered."""


class Progress(msgspec.Struct, frozen=True, tag=True):
    """How it goes: percentiles are of the last requests that ended well, the rate of the last seconds."""

    sent: int
    ended: int
    rate: float
    in_flight: int
    p50_s: float | None
    p95_s: float | None


class Finished(msgspec.Struct, frozen=True, tag=True):
    """Every request has ended, and the samples of so many are in the file.

    `origin` is when the trial began, on the system's monotonic clock.
    """

    requests: int
    origin: float
    wall_s: float


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Nothing was sent, and why."""

    message: str


Telling = Ready | Progress | Finished | Failed


def tell(telling: Telling) -> None:
    """Writes one line to whoever started this process."""
    sys.stdout.buffer.write(msgspec.json.encode(telling) + b"\n")
    sys.stdout.buffer.flush()


class Teller(Background):
    """Tells the progress of a driver, from a thread of its own."""

    def __init__(self, driver: Driver) -> None:
        super().__init__(TELL_S)
        self._driver = driver
        self._seen: deque[tuple[float, int]] = deque(maxlen=round(5.0 / TELL_S))

    def look(self) -> None:
        """Tells it once."""
        tell(self._progress())

    def _progress(self) -> Progress:
        ended = len(self._driver.samples)
        recent = [one.latency_s for one in self._driver.samples[max(0, ended - RECENT) : ended] if one.outcome == "ok"]
        p50_s, p95_s = map(float, np.quantile(recent, [0.5, 0.95])) if recent else (None, None)
        now = time.monotonic()
        self._seen.append((now, ended))
        then, before = self._seen[0]
        rate = (ended - before) / (now - then) if now > then else 0.0
        in_flight = self._driver.in_flight
        return Progress(ended + in_flight, ended, rate, in_flight, p50_s, p95_s)


def main() -> None:
    """Carries one order out."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    die_with(order.parent)
    try:
        carry_out(order)
    except RelevoError as error:
        tell(Failed(str(error)))


def carry_out(order: Order) -> None:
    """Sends what is ordered.

    Raises:
        RelevoError: a clip cannot be read, a trace names one that is not there, or no relay answers.
    """
    clips = [Clip(Path(file).name, read_audio(Path(file))) for file in order.files]
    chosen = choose_clips(clips, order.arrivals, order.seed)
    with Path(order.samples).open("ab") as file, Client(order.address, order.keys) as client:
        client.status()

        def keep(sample: Sample) -> None:
            file.write(encode(sample))

        driver = Driver(client, SystemClock(), trial=order.trial, warm_up=order.warm_up, on_sample=keep)
        sys.setswitchinterval(SWITCH_S)
        gc.collect()
        gc.disable()  # a collection would delay what is due meanwhile, and little here is in cycles
        tell(Ready())
        sys.stdin.buffer.readline()
        began = time.monotonic()
        with Teller(driver):
            if order.callers:
                driver.closed_loop(order.callers, clip_turns(clips, order.seed), order.bound, order.give_up_s)
            else:
                driver.open_loop(order.arrivals, chosen, order.give_up_s)
        wall_s = time.monotonic() - began
        file.flush()
        tell(Finished(len(driver.samples), driver.origin, wall_s))
        sys.stdin.buffer.readline()  # stay until our CPU time has been read


if __name__ == "__main__":
    main()
