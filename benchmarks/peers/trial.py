"""One trial of one system, from start to end, in a process of its own.

python -m benchmarks.peers.trial SYSTEM --plan JSON --out FILE  (started by python -m benchmarks.peers)
"""

from __future__ import annotations

import importlib
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.common.command_line import measurement_parser, run_measurement
from benchmarks.common.process_tree import PeakMemory
from benchmarks.load.figures.samples import RequestSample
from benchmarks.load.sending.arrivals import Arrival, Bound, Poisson
from benchmarks.load.sending.clips import InputClip, choose_clips
from benchmarks.load.sending.clock import SystemClock
from benchmarks.load.sending.driver import Driver
from benchmarks.peers.systems.system import RelayTask, System
from benchmarks.peers.worker_kill import WorkerKill
from errors import MeasurementError
from modules.audio.files import read_audio
from modules.contract.payloads import Audio
from workers.client.result import Result

SYSTEMS = {  # by name, so that a package is imported only where it is used
    "relevo": "benchmarks.peers.systems.relevo_relay:RelevoRelay",
    "seed": "benchmarks.peers.systems.queue_relay:seed",
    "sequential": "benchmarks.peers.systems.queue_relay:sequential",
    "mosec": "benchmarks.peers.systems.mosec_relay:MosecRelay",
    "ray": "benchmarks.peers.systems.ray_relay:RayRelay",
}
SILENCE = Audio(np.zeros(8_000, np.float32), 16_000)  # passes every stage and leaves the later ones idle
READY_S = 180.0
ASK_AGAIN_S = 0.1
UNANSWERED = "never answered"


class TrialPlan(msgspec.Struct, frozen=True):
    """The relay, the load, and whether a worker is killed.

    With `kill`, one speech worker that holds a request is killed by SIGKILL when half of the requests have come.
    `give_up_s` is the longest wait for an answer after the last request, `replacement_s` the longest wait for another
    worker after the trial.
    """

    config: str
    changes: tuple[str, ...]
    ratio: str
    files: tuple[str, ...]
    rate: float
    requests: int
    seed: int
    give_up_s: float
    replacement_s: float
    kill: bool


class SecondTry(msgspec.Struct, frozen=True):
    """A request that did not end ok and was sent once more after the trial, with its outcome then."""

    number: int
    outcome: str
    latency_s: float


class TrialRecord(msgspec.Struct, frozen=True):
    """The course of a trial.

    `samples` holds every request as it was sent first; nothing in it was sent twice by the driver. `killed_at_s` and
    `replaced_at_s` are seconds on the samples' clock, or None.
    """

    ready_s: float
    peak_rss_bytes: int
    killed_at_s: float | None
    replaced_at_s: float | None
    samples: tuple[RequestSample, ...]
    second_tries: tuple[SecondTry, ...]


def run_system(name: str, plan: TrialPlan, folder: str) -> TrialRecord:
    """Starts a system, waits until it answers, drives it, and ends it.

    Raises:
        MeasurementError: the system does not answer in time.
        RelevoError: the configuration or a recording cannot be used.
    """
    task = RelayTask(plan.config, plan.changes, plan.ratio, folder)
    clips = [InputClip(Path(file).name, read_audio(Path(file))) for file in plan.files]
    arrivals = Poisson().draw(plan.rate, Bound(requests=plan.requests), plan.seed)
    chosen = choose_clips(clips, arrivals, plan.seed)
    module, _, maker = SYSTEMS[name].partition(":")
    with PeakMemory() as memory:
        began = time.monotonic()
        system: System = getattr(importlib.import_module(module), maker)(task)
        try:
            _wait_for_answer(system, began + READY_S)
            ready_s = time.monotonic() - began
            kill = WorkerKill(task.speakers(), plan.seed)
            if plan.kill:
                kill.start(_half_way_s(arrivals))
            samples = Driver(system, SystemClock()).open_loop(arrivals, chosen, plan.give_up_s)
            second_tries = send_again(system, samples, chosen, plan.give_up_s)
            if plan.kill:
                kill.wait_for_replacement(plan.replacement_s)
        finally:
            system.close()
    return TrialRecord(
        ready_s, memory.rss_bytes, kill.killed_at_s, kill.replaced_at_s, tuple(samples), tuple(second_tries)
    )


def send_again(
    system: System, samples: Sequence[RequestSample], clips: Sequence[InputClip], give_up_s: float
) -> list[SecondTry]:
    """Sends every request that did not end ok once more, all at once, as a client with a retry of its own would."""
    began = time.monotonic()
    futures = {
        sample.number: system.submit(clips[sample.number].payload) for sample in samples if sample.outcome != "ok"
    }
    return [_second_try(number, future, began, give_up_s) for number, future in futures.items()]


def _second_try(number: int, future: Future[Result], began: float, give_up_s: float) -> SecondTry:
    try:
        outcome: str = future.result(max(0.0, began + give_up_s - time.monotonic())).outcome
    except TimeoutError:
        outcome = UNANSWERED
        future.cancel()
    except Exception as error:  # noqa: BLE001 (whatever a system raises is the outcome)
        outcome = f"failed: {type(error).__name__}"
    return SecondTry(number, outcome, time.monotonic() - began)


def _half_way_s(arrivals: list[Arrival]) -> float:
    return arrivals[len(arrivals) // 2].at_s


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
    raise MeasurementError(f"the system did not answer within {READY_S:.0f} s; its last answer was {answered!r}")


def main() -> int:
    """Runs the trial and writes its record."""
    parser = measurement_parser(__doc__)
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("--plan", required=True, metavar="JSON", help="a TrialPlan")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file for the TrialRecord, as JSON")
    arguments = parser.parse_args()
    plan = msgspec.json.decode(arguments.plan, type=TrialPlan)
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        record = run_system(arguments.system, plan, folder)
    arguments.out.write_bytes(msgspec.json.encode(record))
    os._exit(0)  # threads that wait for an answer that never comes would keep the process


if __name__ == "__main__":
    run_measurement(main)
