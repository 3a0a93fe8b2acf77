"""What the comparison asks of a system, and what the peers share."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from benchmarks.common.in_process import open_module, outputs_of
from modules.contract.payloads import Audio, Payload
from workers.client.result import Event, Result, Transcript
from workers.config import load_config, nested
from workers.plan import Plan, make_plan


@dataclass(frozen=True)
class Task:
    """The relay that every system is to run; small and plain, so that any worker can be told it.

    `folder` is where workers note their process ids, as files named STAGE-PID.
    """

    config: str
    changes: tuple[str, ...]
    ratio: str
    folder: str

    def plan(self) -> Plan:
        """Stages, replicas and threads."""
        return make_plan(load_config(self.config, ratio=self.ratio, **nested(list(self.changes))))

    def workers(self, depth: int) -> set[int]:
        """Living processes that noted themselves as workers of this stage."""
        found = set()
        for path in Path(self.folder).glob(f"{depth}-*"):
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(int(path.name.partition("-")[2]))
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.add(process.pid)
        return found


class System(Protocol):
    """A system that is up: takes requests, and tells which processes speak."""

    def submit(self, payload: Payload) -> Future[Result]:
        """Sends one request and returns at once."""

    def speakers(self) -> set[int]:
        """Process ids of the last stage's workers."""

    def close(self) -> None:
        """Ends its processes."""


class StageWorker:
    """A stage's module inside a peer's worker process."""

    def __init__(self, task: Task, depth: int, threads: int | None = None) -> None:
        """Loads it; `threads` is the budget of our own plan unless given."""
        plan = task.plan()
        stage = plan.stages[depth]
        self._module = open_module(stage, threads or stage.threads, plan.config.seed)
        (Path(task.folder) / f"{depth}-{os.getpid()}").touch()

    def __call__(self, payloads: list[Payload]) -> list[Payload]:
        """Everything that the stage makes of the outputs of the one before."""
        return [output for payload in payloads for output in outputs_of(self._module, payload)]


def answer(number: int, outputs: list[Payload], latency_s: float) -> Result:
    """The result of a request whose audio came all at once."""
    transcript = Transcript()
    for index, output in enumerate(outputs):
        if isinstance(output, Audio):
            transcript.add(Event(str(number), "", (index,), output, latency_s))
    audio, first_s = transcript.audio(), transcript.first_audio_s
    return Result(str(number), "ok", "", 0.0, latency_s, first_s, {}, audio, (), ())


class Called:
    """A system whose `call` takes a request and returns its answer: each request waits in a thread of its own."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._last = len(task.plan().stages) - 1
        self._sent = 0

    def call(self, payload: Payload) -> list[Payload]:
        """Makes one request and waits for its answer."""
        raise NotImplementedError

    def submit(self, payload: Payload) -> Future[Result]:
        """See System. The future can be cancelled at any time, whether or not the system ever answers."""
        future: Future[Result] = Future()
        self._sent += 1
        threading.Thread(target=self._ask, args=(self._sent, payload, future), daemon=True).start()
        return future

    def _ask(self, number: int, payload: Payload, future: Future[Result]) -> None:
        began = time.monotonic()
        with contextlib.suppress(InvalidStateError):  # it was given up meanwhile
            try:
                outputs = self.call(payload)
            except Exception as error:  # noqa: BLE001 (whatever a system raises is how that request failed)
                future.set_exception(error)
            else:
                future.set_result(answer(number, outputs, time.monotonic() - began))

    def speakers(self) -> set[int]:
        """See System."""
        return self._task.workers(self._last)
