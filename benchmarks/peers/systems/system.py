"""The interface of a system under comparison, and the parts that several systems share."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Protocol

from benchmarks.common.in_process import open_module, outputs_of
from benchmarks.peers.systems.worker_marks import WorkerMarks
from modules.contract.payloads import Audio, Payload
from workers.client.result import Event, Result, Transcript
from workers.config import load_config, nested
from workers.plan import Plan, make_plan


@dataclass(frozen=True)
class RelayTask:
    """The relay that a system has to run, small and plain, so that any worker process can be told it.

    `folder` is where workers leave their marks.
    """

    config: str
    changes: tuple[str, ...]
    ratio: str
    folder: str

    def plan(self) -> Plan:
        """Returns stages, replicas and threads."""
        return make_plan(load_config(self.config, ratio=self.ratio, **nested(list(self.changes))))

    def speakers(self) -> WorkerMarks:
        """Returns the marks of the last stage's workers."""
        return WorkerMarks(self.folder, len(self.plan().stages) - 1)


class System(Protocol):
    """A system that is up and takes requests."""

    def submit(self, payload: Payload) -> Future[Result]:
        """Sends one request and returns at once. The future can be cancelled at any time."""

    def close(self) -> None:
        """Ends its processes."""


class StageWorker:
    """A stage's module inside a worker process of another system. It leaves the marks of a worker."""

    def __init__(self, task: RelayTask, depth: int, threads: int | None = None) -> None:
        """Loads the module with the thread budget of our own plan, or with `threads`."""
        plan = task.plan()
        stage = plan.stages[depth]
        self._module = open_module(stage, threads or stage.threads, plan.config.seed)
        self._marks = WorkerMarks(task.folder, depth)
        self._marks.set_ready()

    def __call__(self, payloads: list[Payload]) -> list[Payload]:
        """Returns the stage's outputs for all outputs of the stage before.

        Raises:
            InputError: the module refuses a payload.
        """
        with self._marks.holding():
            return [output for payload in payloads for output in outputs_of(self._module, payload)]


def whole_answer(number: int, outputs: list[Payload], latency_s: float) -> Result:
    """Makes the result of a request whose audio came all at once, `latency_s` after it was sent."""
    transcript = Transcript()
    for index, output in enumerate(outputs):
        if isinstance(output, Audio):
            transcript.add(Event(str(number), "", (index,), output, latency_s))
    audio, first_s = transcript.audio(), transcript.first_audio_s
    return Result(str(number), "ok", "", 0.0, latency_s, first_s, {}, audio, (), ())


class CallingSystem:
    """A system whose `call` takes a request and returns its answer. Each request waits in a thread of its own.

    Nothing is sent twice: an error of `call` is the outcome of its request.
    """

    def __init__(self) -> None:
        self._sent = 0

    def call(self, payload: Payload) -> list[Payload]:
        """Makes one request and waits for its answer."""
        raise NotImplementedError

    def submit(self, payload: Payload) -> Future[Result]:
        """Sends one request and returns at once; see System."""
        future: Future[Result] = Future()
        self._sent += 1
        threading.Thread(target=self._ask, args=(self._sent, payload, future), daemon=True).start()
        return future

    def _ask(self, number: int, payload: Payload, future: Future[Result]) -> None:
        began = time.monotonic()
        with contextlib.suppress(InvalidStateError):  # the trial has given it up meanwhile
            try:
                outputs = self.call(payload)
            except Exception as error:  # noqa: BLE001 (whatever a system raises is the outcome of that request)
                future.set_exception(error)
            else:
                future.set_result(whole_answer(number, outputs, time.monotonic() - began))
