"""The limit for any relay over ZeroMQ: a chain of PUSH/PULL sockets, no header, no tracking, no recovery.

python -m benchmarks.peers.transports.bare_chain
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import threading
from typing import Any

import zmq

from benchmarks.peers.transports.drive import drive_numbered
from modules.testing.noop import ANSWER, CHINESE, ENGLISH, SPEECH

ANSWERS = (ENGLISH.text.encode(), CHINESE.text.encode(), ANSWER.samples.data)


def stage(number: int, folder: str) -> None:
    """Answers whatever comes."""
    context: zmq.Context[Any] = zmq.Context()
    pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    pull.connect(f"ipc://{folder}/out{number}" if number else f"ipc://{folder}/in0")
    push.connect(f"ipc://{folder}/in{number + 1}")
    while True:
        request, _ = pull.recv_multipart(copy=False)
        push.send_multipart([request.bytes, ANSWERS[number]], copy=False)


def main() -> None:
    """Runs the chain; a proxy thread stands at each inner queue, so that a stage could have replicas."""
    multiprocessing.set_start_method("spawn")
    folder = tempfile.mkdtemp(prefix="bare-chain-")
    context: zmq.Context[Any] = zmq.Context()
    push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
    push.bind(f"ipc://{folder}/in0")
    pull.bind(f"ipc://{folder}/in3")
    for number in (1, 2):
        front, back = context.socket(zmq.PULL), context.socket(zmq.PUSH)
        front.bind(f"ipc://{folder}/in{number}")
        back.bind(f"ipc://{folder}/out{number}")
        threading.Thread(target=zmq.proxy, args=(front, back), daemon=True).start()
    stages = [multiprocessing.Process(target=stage, args=(number, folder), daemon=True) for number in range(3)]
    for process in stages:
        process.start()
    lock = threading.Lock()

    def send(number: int) -> None:
        with lock:
            push.send_multipart([b"%d" % number, SPEECH.samples.data], copy=False)

    drive_numbered("bare ZeroMQ chain", send, lambda: int(pull.recv_multipart(copy=False)[0].bytes))
    for process in stages:
        process.terminate()
        process.join()
    shutil.rmtree(folder)
    os._exit(0)  # the threads never return


if __name__ == "__main__":
    main()
