"""The cost of a broker in the middle by its place alone: one process passes on every payload and keeps nothing."""

from __future__ import annotations

import multiprocessing
import tempfile
import threading

import zmq

from benchmarks.peers.transports.drive import drive_numbered
from modules.testing.noop import ANSWER, CHINESE, ENGLISH, SPEECH

ANSWERS = {
    b"listen": ENGLISH.text.encode(),
    b"translate": CHINESE.text.encode(),
    b"speak": ANSWER.samples.tobytes(),
}
# Two sockets belong to the client, because a thread has to wait at the second.
PATH = (b"asking", *ANSWERS, b"answered")
PROBE, PROBE_MS = b"-1", 100  # the number of a request that nobody waits for


def connect(folder: str, name: bytes) -> zmq.Socket[bytes]:
    """Opens a socket that the broker knows by this name."""
    dealer: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    dealer.setsockopt(zmq.IDENTITY, name)
    dealer.connect(f"ipc://{folder}/broker")
    return dealer


def broker(folder: str) -> None:
    """Passes each message on to the next on the path; answers at its end stay there."""
    router: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
    router.bind(f"ipc://{folder}/broker")
    following = dict(zip(PATH, (*PATH[1:], PATH[-1]), strict=True))
    while True:
        sender, request, payload = router.recv_multipart(copy=False)
        router.send_multipart([following[sender.bytes], request, payload], copy=False)


def stage(name: bytes, folder: str) -> None:
    """Answers every request, whatever it holds."""
    dealer = connect(folder, name)
    while True:
        request, _ = dealer.recv_multipart(copy=False)
        dealer.send_multipart([request.bytes, ANSWERS[name]], copy=False)


def run(_: int) -> dict[str, float]:
    """Runs the broker and three stages, drives them and returns their figures."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="bare-star-") as folder:
        processes = [spawn.Process(target=broker, args=(folder,), daemon=True)]
        processes += [spawn.Process(target=stage, args=(name, folder), daemon=True) for name in ANSWERS]
        for process in processes:
            process.start()
        asking, answered = connect(folder, PATH[0]), connect(folder, PATH[-1])
        while not answered.poll(PROBE_MS):  # until all of them have connected
            asking.send_multipart([PROBE, b""])
        lock = threading.Lock()

        def send(number: int) -> None:
            with lock:
                asking.send_multipart([b"%d" % number, SPEECH.samples.data], copy=False)

        figures = drive_numbered(send, lambda: int(answered.recv_multipart(copy=False)[0].bytes))
        for process in processes:
            process.terminate()
            process.join()
    return figures
