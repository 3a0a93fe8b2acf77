"""The same load for every system: one request at a time for latency, then many at once for throughput."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable

import numpy as np

WARM_UP = 50
ALONE = 300
AT_ONCE = 1500
IN_FLIGHT = 32


def drive(call: Callable[[], object]) -> dict[str, float]:
    """Drives `call`, which makes one request and waits for its answer.

    Returns:
        p50 and p99 latency in milliseconds, one request at a time, and requests per second with IN_FLIGHT at once.
    """
    for _ in range(WARM_UP):
        call()
    latencies = []
    for _ in range(ALONE):
        began = time.perf_counter()
        call()
        latencies.append(time.perf_counter() - began)
    left = iter(range(AT_ONCE))
    lock = threading.Lock()

    def caller() -> None:
        while True:
            with lock:
                if next(left, None) is None:
                    return
            call()

    callers = [threading.Thread(target=caller) for _ in range(IN_FLIGHT)]
    began = time.perf_counter()
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    rps = AT_ONCE / (time.perf_counter() - began)
    p50, p99 = np.quantile(latencies, [0.5, 0.99]) * 1000
    return {"p50_ms": float(p50), "p99_ms": float(p99), "rps": rps}


def drive_numbered(send: Callable[[int], object], receive: Callable[[], int]) -> dict[str, float]:
    """Drives a system that answers in any order, and returns the figures of `drive`.

    Args:
        send: sends a request under a number; called by many threads at once.
        receive: waits for the next answer and returns its number; called by one thread, until it raises EOFError. An
            answer to no request is passed over.
    """
    waiting: dict[int, threading.Event] = {}
    numbers = itertools.count()

    def sink() -> None:
        with contextlib.suppress(EOFError):
            while True:
                answered = waiting.pop(receive(), None)
                if answered is not None:
                    answered.set()

    threading.Thread(target=sink, daemon=True).start()

    def call() -> None:
        number, answered = next(numbers), threading.Event()
        waiting[number] = answered
        send(number)
        answered.wait()

    return drive(call)
