"""The limit for any relay with a broker in its middle: one process passes on every payload, and keeps nothing.

python -m benchmarks.peers.bare_star
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import tempfile
import threading
from typing import Any

import zmq

from benchmarks.noop import ANSWER, CHINESE, ENGLISH, SPEECH
from benchmarks.peers.drive import drive

ANSWERS = {
    b"listen": ENGLISH.text.encode(),
    b"translate": CHINESE.text.encode(),
    b"speak": ANSWER.samples.data,
}
PATH = (b"asking", *ANSWERS, b"answered")  # two sockets of the client's, because a thread has to wait at the second
PROBE_MS = 100


def connect(folder: str, name: bytes) -> zmq.Socket[Any]:
    """A socket that the broker knows by this name."""
    dealer = zmq.Context.instance().socket(zmq.DEALER)
    dealer.setsockopt(zmq.IDENTITY, name)
    dealer.connect(f"ipc://{folder}/broker")
    return dealer


def broker(folder: str) -> None:
    """Passes on what each sends to the next on the path; what comes from the end of it goes back there."""
    router = zmq.Context.instance().socket(zmq.ROUTER)
    router.bind(f"ipc://{folder}/broker")
    following = dict(zip(PATH, (*PATH[1:], PATH[-1]), strict=True))
    while True:
        sender, request, payload = router.recv_multipart(copy=False)
        router.send_multipart([following[sender.bytes], request, payload], copy=False)


def stage(name: bytes, folder: str) -> None:
    """Answers whatever comes."""
    dealer = connect(folder, name)
    while True:
        request, _ = dealer.recv_multipart(copy=False)
        dealer.send_multipart([request.bytes, ANSWERS[name]], copy=False)


def main() -> None:
    """Runs the broker and three stages."""
    multiprocessing.set_start_method("spawn")
    with tempfile.TemporaryDirectory(prefix="bare-star-") as folder:
        processes = [multiprocessing.Process(target=broker, args=(folder,), daemon=True)]
        processes += [multiprocessing.Process(target=stage, args=(name, folder), daemon=True) for name in ANSWERS]
        for process in processes:
            process.start()
        asking, answered = connect(folder, PATH[0]), connect(folder, PATH[-1])
        while not answered.poll(PROBE_MS):  # until every one of them has dialled in
            asking.send_multipart([b"probe", b""])
        waiting: dict[bytes, threading.Event] = {b"probe": threading.Event()}
        numbers, lock = itertools.count(), threading.Lock()

        def sink() -> None:
            while True:
                request, _ = answered.recv_multipart(copy=False)
                if request.bytes in waiting:  # several probes may have come through
                    waiting.pop(request.bytes).set()

        threading.Thread(target=sink, daemon=True).start()

        def call() -> None:
            done = threading.Event()
            with lock:
                request = b"%d" % next(numbers)
                waiting[request] = done
                asking.send_multipart([request, SPEECH.samples.data], copy=False)
            done.wait()

        drive("bare ZeroMQ star", call)
        for process in processes:
            process.terminate()
            process.join()
    os._exit(0)  # the thread never returns


if __name__ == "__main__":
    main()
