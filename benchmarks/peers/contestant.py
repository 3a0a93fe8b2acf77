"""One system of the comparison, from start to end, in a process of its own.

python -m benchmarks.peers.contestant SYSTEM --out FILE …  (started by python -m benchmarks.peers)
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import signal
import tempfile
import threading
import time
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.common.process_tree import PeakMemory
from benchmarks.load.figures.samples import RequestSample
from benchmarks.load.sending.arrivals import Arrival, Bound, Poisson
from benchmarks.load.sending.clock import SystemClock
from benchmarks.load.sending.driver import Driver, InputClip, choose_clips
from benchmarks.peers.systems.system import System, Task
from modules.audio.files import read_audio
from modules.contract.payloads import Audio

SYSTEMS = {  # heavy or missing packages are imported only where they are used
    "relevo": "benchmarks.peers.systems.ours:Relevo",
    "seed": "benchmarks.peers.systems.queue_relay:seed",
    "sequential": "benchmarks.peers.systems.queue_relay:sequential",
    "mosec": "benchmarks.peers.systems.mosec_relay:MosecRelay",
    "ray": "benchmarks.peers.systems.ray_relay:RayRelay",
}
SILENCE = Audio(np.zeros(8_000, np.float32), 16_000)  # passes every stage and asks nothing of the later ones
READY_S = 180.0
ASK_AGAIN_S = 0.1


class Bout(msgspec.Struct, frozen=True):
    """What a system is put through. `kill` ends one speech worker by SIGKILL when half of the requests have come."""

    config: str
    changes: tuple[str, ...]
    ratio: str
    files: tuple[str, ...]
    rate: float
    requests: int
    seed: int
    give_up_s: float
    kill: bool


class Record(msgspec.Struct, frozen=True):
    """How it went; `replaced` is whether another speech worker took the place of the killed one.

    `killed_at_s` is on the samples' clock.
    """

    ready_s: float
    peak_rss_bytes: int
    killed_at_s: float | None
    replaced: bool
    samples: tuple[RequestSample, ...]


def main() -> None:
    """Starts the system, waits until it answers, drives it, and writes the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("--bout", required=True, help="a Bout as JSON")
    parser.add_argument("--out", type=Path, required=True, help="where the Record goes, as JSON")
    arguments = parser.parse_args()
    bout = msgspec.json.decode(arguments.bout, type=Bout)
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        record = _fight(arguments.system, bout, Task(bout.config, bout.changes, bout.ratio, folder))
    arguments.out.write_bytes(msgspec.json.encode(record))
    os._exit(0)  # threads that wait for an answer which never comes would keep us


def _fight(name: str, bout: Bout, task: Task) -> Record:
    clips = [InputClip(Path(file).name, read_audio(Path(file))) for file in bout.files]
    arrivals = Poisson().draw(bout.rate, Bound(requests=bout.requests), bout.seed)
    module, _, maker = SYSTEMS[name].partition(":")
    with PeakMemory() as memory:
        began = time.monotonic()
        system: System = getattr(importlib.import_module(module), maker)(task)
        try:
            _wait_for_answer(system, began + READY_S)
            ready_s = time.monotonic() - began
            killer = Killer(system, bout.seed)
            if bout.kill:
                killer.start(_half_way_s(arrivals))
            driver = Driver(system, SystemClock())
            samples = driver.open_loop(arrivals, choose_clips(clips, arrivals, bout.seed), bout.give_up_s)
            replaced = killer.replaced()
        finally:
            system.close()
    return Record(ready_s, memory.rss_bytes, killer.killed_at_s, replaced, tuple(samples))


def _half_way_s(arrivals: list[Arrival]) -> float:
    return arrivals[len(arrivals) // 2].at_s


class Killer:
    """Kills one speech worker at its time, from a thread of its own."""

    def __init__(self, system: System, seed: int) -> None:
        self.killed_at_s: float | None = None
        self._system, self._random = system, random.Random(seed)
        self._before: set[int] = set()

    def start(self, at_s: float) -> None:
        """Sets the time, in seconds from now."""
        timer = threading.Timer(at_s, self._kill, (at_s,))
        timer.daemon = True
        timer.start()

    def _kill(self, at_s: float) -> None:
        self._before = self._system.speakers()
        os.kill(self._random.choice(sorted(self._before)), signal.SIGKILL)
        self.killed_at_s = at_s

    def replaced(self) -> bool:
        """Whether there is a speech worker now that was not there before the kill."""
        return self.killed_at_s is not None and bool(self._system.speakers() - self._before)


def _wait_for_answer(system: System, give_up_at: float) -> None:
    answered: object = "nothing"
    while (left_s := give_up_at - time.monotonic()) > 0:
        try:
            system.submit(SILENCE).result(left_s)
        except Exception as error:  # noqa: BLE001 (a system that is not up yet says so in its own way)
            answered = error
            time.sleep(ASK_AGAIN_S)
        else:
            return
    raise SystemExit(f"the system did not answer within {READY_S:.0f} s; the last it said was: {answered!r}")


if __name__ == "__main__":
    main()
