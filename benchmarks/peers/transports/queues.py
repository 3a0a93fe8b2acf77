"""Spawned processes joined by multiprocessing's queues, or by a Manager's (as the seed was built).

python -m benchmarks.peers.transports.queues plain|manager
"""

from __future__ import annotations

import multiprocessing
import sys
from typing import Any

from benchmarks.peers.transports.drive import drive_numbered
from modules.testing.noop import ANSWER, CHINESE, ENGLISH, SPEECH

ANSWERS = (ENGLISH.text, CHINESE.text, ANSWER.samples)


def stage(number: int, inlet: Any, outlet: Any) -> None:
    """Answers whatever comes."""
    while True:
        request, _ = inlet.get()
        outlet.put((request, ANSWERS[number]))


def main() -> None:
    """Runs three stages between four queues."""
    kind = sys.argv[1]
    multiprocessing.set_start_method("spawn")
    managers = [multiprocessing.Manager() for _ in range(4)] if kind == "manager" else []
    queues: list[Any] = [m.Queue() for m in managers] or [multiprocessing.Queue() for _ in range(4)]
    stages = [
        multiprocessing.Process(target=stage, args=(number, queues[number], queues[number + 1]), daemon=True)
        for number in range(3)
    ]
    for process in stages:
        process.start()
    drive_numbered(
        f"multiprocessing queues ({kind})",
        lambda number: queues[0].put((number, SPEECH.samples)),
        lambda: queues[3].get()[0],  # raises EOFError when a Manager is shut down
    )
    for process in stages:
        process.terminate()
        process.join()
    for manager in managers:
        manager.shutdown()


if __name__ == "__main__":
    main()
