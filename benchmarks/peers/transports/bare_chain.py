"""The limit for any relay over ZeroMQ: a chain of PUSH and PULL sockets, no header, no tracking, no recovery."""

from __future__ import annotations

import multiprocessing
import tempfile
import threading

import zmq

from benchmarks.peers.transports.drive import drive_numbered
from modules.testing.noop import ANSWER, CHINESE, ENGLISH, SPEECH

ANSWERS = (ENGLISH.text.encode(), CHINESE.text.encode(), ANSWER.samples.tobytes())
STAGES = len(ANSWERS)


def stage(number: int, folder: str) -> None:
    """Answers every request, whatever it holds."""
    context = zmq.Context()
    pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    pull.connect(f"ipc://{folder}/out{number}" if number else f"ipc://{folder}/in0")
    push.connect(f"ipc://{folder}/in{number + 1}")
    while True:
        request, _ = pull.recv_multipart(copy=False)
        push.send_multipart([request.bytes, ANSWERS[number]], copy=False)


def run(_: int) -> dict[str, float]:
    """Runs the chain, drives it and returns its figures.

    A proxy thread stands at each inner queue, so that a stage could have replicas.
    """
    spawn = multiprocessing.get_context("spawn")
    context = zmq.Context()
    with tempfile.TemporaryDirectory(prefix="bare-chain-") as folder:
        push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
        push.bind(f"ipc://{folder}/in0")
        pull.bind(f"ipc://{folder}/in{STAGES}")
        for number in range(1, STAGES):
            front, back = context.socket(zmq.PULL), context.socket(zmq.PUSH)
            front.bind(f"ipc://{folder}/in{number}")
            back.bind(f"ipc://{folder}/out{number}")
            threading.Thread(target=zmq.proxy, args=(front, back), daemon=True).start()
        stages = [spawn.Process(target=stage, args=(number, folder), daemon=True) for number in range(STAGES)]
        for process in stages:
            process.start()
        lock = threading.Lock()

        def send(number: int) -> None:
            with lock:
                push.send_multipart([b"%d" % number, SPEECH.samples.data], copy=False)

        figures = drive_numbered(send, lambda: int(pull.recv_multipart(copy=False)[0].bytes))
        for process in stages:
            process.terminate()
            process.join()
    return figures
