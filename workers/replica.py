"""One replica: a fresh process that runs one stage's module on the batches it is handed.

    python -m workers.replica --stage speak --connect ADDRESS

It dials in, is told what to load, and asks for work by saying that it is ready: one credit, one batch. Its main
thread computes and owns the socket that work arrives on; a second thread with a socket of its own sends
heartbeats, so that a busy model is told from a stuck process.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
import zmq

from errors import ProtocolError, RelevoError
from workers import wire
from workers.budget import apply_budget
from workers.lifeline import die_with, set_on_sigterm

if TYPE_CHECKING:
    from modules.module import Module

logger = logging.getLogger("relevo.replica")

HEARTBEAT_S = 1.0


class ReplicaSpec(msgspec.Struct, frozen=True):
    """What a stage's replicas load; sent by the broker, so that it is the same for every one of them."""

    module: str
    model: str | None
    options: dict[str, Any]
    seed: int


class Heart:
    """Sends a sign of life every second, from its own thread and socket."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], address: str, replica: str, stage: str) -> None:
        self.state: wire.ReplicaState = "starting"
        self.busy_since: float | None = None
        self._context, self._address, self._replica, self._stage = context, address, replica, stage
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heart", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        process = psutil.Process()
        with self._context.socket(zmq.DEALER) as dealer:
            dealer.setsockopt(zmq.LINGER, 0)
            dealer.connect(self._address)
            while not self._stopped.wait(HEARTBEAT_S):
                since = self.busy_since
                busy_s = 0.0 if since is None else time.monotonic() - since
                beat = wire.Beat(self._replica, self._stage, self.state, busy_s, process.memory_info().rss)
                dealer.send(wire.encode(beat))

    def stop(self) -> None:
        """Ends the thread."""
        self._stopped.set()
        self._thread.join()


class Replica:
    """A module behind a socket."""

    def __init__(self, stage: str, address: str, name: str) -> None:
        self._stage, self._name = stage, name
        self._context = zmq.Context()
        self._dealer = self._context.socket(zmq.DEALER)
        self._dealer.setsockopt(zmq.IDENTITY, name.encode())
        self._dealer.setsockopt(zmq.LINGER, 2000)
        self._dealer.setsockopt(zmq.SNDHWM, 0)  # a full send queue must delay, never drop
        self._dealer.connect(address)
        self._decode = wire.decoder(wire.ToReplica)
        self._poller = zmq.Poller()
        self._poller.register(self._dealer, zmq.POLLIN)
        self._rejoin = False
        self._draining = set_on_sigterm(self._poller)
        self._heart = Heart(self._context, address, name, stage)

    def run(self, load: Any) -> int:
        """Loads the module with `load(spec)`, serves until drained, and returns the exit status."""
        reason, fatal = "", False
        try:
            self._send(wire.Join(self._name, self._stage, os.getpid()))
            hired = self._receive()
            if isinstance(hired, tuple) and isinstance(hired[0], wire.Hired):
                self._heart.state = "loading"
                module = load(msgspec.json.decode(hired[0].spec, type=ReplicaSpec))
                self._heart.state = "warming"
                module.warm_up()
                gc.freeze()  # the model stays; leave it out of every later collection
                self._serve(module)
        except RelevoError as error:
            logger.error("cannot go on: %s", error)
            reason, fatal = str(error), True
        except Exception as error:
            logger.exception("cannot go on")
            reason = f"{type(error).__name__}: {error}"
            raise
        finally:
            self._heart.state = "draining"
            self._send(wire.Leave(self._name, self._stage, reason, fatal))
            self._heart.stop()
            self._dealer.close()
            self._context.term()
        return 1 if reason else 0

    def _serve(self, module: Module) -> None:
        from workers.batch import Batch  # brings numpy, so only once the thread budget is set

        ready = wire.Ready(self._name, self._stage)
        self._heart.state = "ready"
        self._send(ready)
        while (received := self._receive()) is not None:
            message, frames = received
            match message:
                case wire.Work():
                    self._heart.state, self._heart.busy_since = "busy", time.monotonic()
                    self._send(Batch(self._name, message, frames, self._send_output, self._abandoned).run(module))
                    self._heart.state, self._heart.busy_since = "ready", None
                    if self._rejoin:
                        self._rejoin = False
                        self._send(ready)
                case wire.Rejoin():
                    self._send(ready)
                case wire.Drain():
                    return

    def _send_output(self, output: wire.Output, frame: Any) -> None:
        self._send(output, frame)
        self._heart.busy_since = time.monotonic()  # an output is progress: not stuck

    def _abandoned(self) -> set[int]:
        """Jobs that were given up since the last look, without waiting; what else arrives is kept for later."""
        jobs = set()
        while self._dealer.poll(0):
            match self._read():
                case (wire.Abandon(job), _):
                    jobs.add(job)
                case (wire.Drain(), _):
                    self._draining.set()
                case (wire.Rejoin(), _):
                    self._rejoin = True
        return jobs

    def _receive(self) -> tuple[wire.ToReplica, Sequence[Any]] | None:
        """The next message, or None when this replica was asked to end."""
        while not self._draining.is_set():
            ready = dict(self._poller.poll())
            if self._dealer in ready and (received := self._read()) is not None:
                return received
        return None

    def _read(self) -> tuple[wire.ToReplica, Sequence[Any]] | None:
        header, *frames = self._dealer.recv_multipart(copy=False)
        try:
            message: wire.ToReplica = self._decode(header.buffer)
            wire.check_payloads(message, frames)
        except ProtocolError as error:
            logger.warning("ignored a message: %s", error)
            return None
        return message, [frame.buffer for frame in frames]

    def _send(self, message: wire.FromReplica, *frames: Any) -> None:
        self._dealer.send_multipart([wire.encode(message), *frames], copy=False)


def main() -> None:
    """Runs a replica's process."""
    parser = argparse.ArgumentParser(
        description="One replica of a stage: dials in to a relay, loads what it is told to, and works."
    )
    parser.add_argument("--stage", required=True, help="name of the stage to serve")
    parser.add_argument("--connect", required=True, metavar="ADDRESS", help="the relay's address for replicas")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads to compute with (default: 1)")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda:N (default: cpu)")
    parser.add_argument("--weights", type=Path, help="folder with the models, instead of the cache")
    parser.add_argument("--name", help="name of this replica in reports (default: made from the stage and the host)")
    parser.add_argument("--parent", type=int, help="process id to end with; set by the supervisor")
    arguments = parser.parse_args()
    apply_budget(arguments.threads, arguments.device)
    if arguments.parent is not None:
        die_with(arguments.parent)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to handle
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    name = arguments.name or f"{arguments.stage}@{socket.gethostname()}-{secrets.token_hex(3)}"

    def load(spec: ReplicaSpec) -> Module:
        from modules.module import Compute
        from modules.registry import module_class, module_options
        from modules.weights import locate

        model = None if spec.model is None else locate(spec.model, arguments.weights)
        compute = Compute(arguments.threads, arguments.device.partition(":")[0], spec.seed)
        return module_class(spec.module)(model, module_options(spec.module, spec.options), compute)

    sys.exit(Replica(arguments.stage, arguments.connect, name).run(load))


if __name__ == "__main__":
    main()
