"""The modules in spawned processes joined by queues: the seed's architecture, and one process for everything.

As in the seed, nobody watches the workers, and no thread budget is set: every library opens as many threads as there
are cores.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import threading
import time
from concurrent.futures import Future, InvalidStateError
from typing import Any

from benchmarks.peers.systems.system import RelayTask, StageWorker, whole_answer
from errors import RelevoError
from modules.contract.payloads import Payload
from workers.client.result import Result


def work(task: RelayTask, depths: list[int], threads: int, inlet: Any, outlet: Any) -> None:
    """Runs one worker: some stages, one after the other, for each request that comes."""
    stages = [StageWorker(task, depth, threads) for depth in depths]
    while True:
        number, payloads, error = inlet.get()
        if not error:
            try:
                for stage in stages:
                    payloads = stage(payloads)
            except RelevoError as failure:
                payloads, error = [], str(failure)
        outlet.put((number, payloads, error))


class QueueRelay:
    """Groups of stages, each with its workers, joined by queues."""

    def __init__(self, task: RelayTask, groups: list[tuple[list[int], int]], *, managed: bool) -> None:
        """Starts the workers.

        Args:
            task: the relay to run.
            groups: the stages of each group by their places, with the number of its workers.
            managed: whether each queue lives in a Manager's process of its own.
        """
        context = multiprocessing.get_context("spawn")
        count = len(groups) + 1
        self._managers = [context.Manager() for _ in range(count)] if managed else []
        self._queues: list[Any] = [m.Queue() for m in self._managers] or [context.Queue() for _ in range(count)]
        threads = task.plan().cores
        self._workers = [
            context.Process(target=work, args=(task, depths, threads, *self._queues[g : g + 2]), daemon=True)
            for g, (depths, workers) in enumerate(groups)
            for _ in range(workers)
        ]
        for worker in self._workers:
            worker.start()
        self._waiting: dict[int, tuple[Future[Result], float]] = {}
        self._numbers = itertools.count()
        threading.Thread(target=self._receive, daemon=True).start()

    def submit(self, payload: Payload) -> Future[Result]:
        """Sends one request and returns at once; see System."""
        number, future = next(self._numbers), Future[Result]()
        self._waiting[number] = future, time.monotonic()
        self._queues[0].put((number, [payload], ""))
        return future

    def _receive(self) -> None:
        with contextlib.suppress(EOFError, OSError):  # the queue's manager has ended
            while True:
                number, outputs, error = self._queues[-1].get()
                future, began = self._waiting.pop(number)
                with contextlib.suppress(InvalidStateError):  # the trial has given it up meanwhile
                    if error:
                        future.set_exception(RelevoError(error))
                    else:
                        future.set_result(whole_answer(number, outputs, time.monotonic() - began))

    def close(self) -> None:
        """Ends its processes."""
        for worker in self._workers:
            worker.kill()
            worker.join()
        for manager in self._managers:
            manager.shutdown()


def seed(task: RelayTask) -> QueueRelay:
    """Starts the seed's architecture: workers of each stage between a Manager's queues."""
    return QueueRelay(task, [([d], stage.replicas) for d, stage in enumerate(task.plan().stages)], managed=True)


def sequential(task: RelayTask) -> QueueRelay:
    """Starts one process that runs every stage, one request after the other."""
    return QueueRelay(task, [(list(range(len(task.plan().stages))), 1)], managed=False)
