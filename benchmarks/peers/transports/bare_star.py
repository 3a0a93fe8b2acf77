"""What a broker in the middle costs by its place alone: one process passes on every payload, and keeps nothing.

python -m benchmarks.peers.transports.bare_star
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
from typing import Any

import zmq

from benchmarks.peers.transports.drive import drive_numbered
from modules.testing.noop import ANSWER, CHINESE, ENGLISH, SPEECH

ANSWERS = {
    b"listen": ENGLISH.text.encode(),
    b"translate": CHINESE.text.encode(),
    b"speak": ANSWER.samples.data,
}
PATH = (b"asking", *ANSWERS, b"answered")  # two sockets of the client's, because a thread has to wait at the second
PROBE, PROBE_MS = b"-1", 100  # a request's number that nobody waits for


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
            asking.send_multipart([PROBE, b""])
        lock = threading.Lock()

        def send(number: int) -> None:
            with lock:
                asking.send_multipart([b"%d" % number, SPEECH.samples.data], copy=False)

        drive_numbered("bare ZeroMQ star", send, lambda: int(answered.recv_multipart(copy=False)[0].bytes))
        for process in processes:
            process.terminate()
            process.join()
    os._exit(0)  # the thread never returns


if __name__ == "__main__":
    main()
