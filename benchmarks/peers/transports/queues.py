"""Spawned processes joined by multiprocessing's queues, or by a Manager's, as the seed was built."""

from __future__ import annotations

import multiprocessing
from typing import Any

from benchmarks.peers.transports.drive import drive_numbered
from modules.testing.noop import ANSWER, CHINESE, ENGLISH, SPEECH

ANSWERS = (ENGLISH.text, CHINESE.text, ANSWER.samples)
STAGES = len(ANSWERS)


def run_plain(_: int) -> dict[str, float]:
    """Runs the stages between plain queues, drives them and returns their figures."""
    context = multiprocessing.get_context("spawn")
    return _drive([context.Queue() for _ in range(STAGES + 1)])


def run_managed(_: int) -> dict[str, float]:
    """Runs the stages between queues that live in a Manager's process each, drives them and returns their figures."""
    context = multiprocessing.get_context("spawn")
    managers = [context.Manager() for _ in range(STAGES + 1)]
    try:
        return _drive([manager.Queue() for manager in managers])
    finally:
        for manager in managers:
            manager.shutdown()


def stage(number: int, inlet: Any, outlet: Any) -> None:
    """Answers every request, whatever it holds."""
    while True:
        request, _ = inlet.get()
        outlet.put((request, ANSWERS[number]))


def _drive(queues: list[Any]) -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    stages = [
        context.Process(target=stage, args=(number, queues[number], queues[number + 1]), daemon=True)
        for number in range(STAGES)
    ]
    for process in stages:
        process.start()
    figures = drive_numbered(
        lambda number: queues[0].put((number, SPEECH.samples)),
        lambda: int(queues[-1].get()[0]),  # raises EOFError when a Manager is shut down
    )
    for process in stages:
        process.terminate()
        process.join()
    return figures
