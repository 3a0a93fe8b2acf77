"""One replica: a fresh process that runs one stage's module on the batches it is handed.

    python -m workers.replica --stage speak --connect ADDRESS

It dials in, is told what to load, and asks for work by saying that it is ready: one credit, one batch. Its main
thread computes and owns the socket that work arrives on; a second thread with a socket of its own sends
heartbeats, so that a busy model is told from a stuck process.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import logging
import math
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
import zmq

from errors import ConfigError, ProtocolError, RelayError, RelevoError
from workers.processes.budget import apply_budget
from workers.processes.lifetime import die_with, set_when_asked_to_end
from workers.wire import codec, messages
from workers.wire.addresses import validate_address
from workers.wire.keys import Handshakes, PeerKeys, dial
from workers.wire.poller import SocketPoller
from workers.wire.sockets import receive, send

if TYPE_CHECKING:
    from modules.contract.module import Module

logger = logging.getLogger("relevo.replica")

HEARTBEAT_S = 1.0
WAIT_S = 30.0  # for the relay's answer to Join


class ReplicaSpec(msgspec.Struct, frozen=True):
    """What a stage's replicas load; sent by the broker, so that it is the same for every one of them."""

    module: str
    model: str | None
    options: dict[str, Any]
    seed: int


class Heart:
    """Sends a sign of life every second, from its own thread and socket."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        address: str,
        keys: PeerKeys | None,
        replica: str,
        stage: str,
    ) -> None:
        self.state: messages.ReplicaState = "starting"
        self.busy_since: float | None = None
        self._context, self._address, self._keys = context, address, keys
        self._replica, self._stage = replica, stage
        self.refused = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heart", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        process = psutil.Process()
        with self._context.socket(zmq.DEALER) as dealer:
            dealer.setsockopt(zmq.LINGER, 0)
            dealer.setsockopt(zmq.CONFLATE, 1)  # while the broker is away, only the latest is worth keeping
            handshakes = Handshakes(dealer)
            dial(dealer, self._address, self._keys)
            while not self.refused and not self._stopped.wait(HEARTBEAT_S):
                since = self.busy_since
                busy_s = 0.0 if since is None else time.monotonic() - since
                heartbeat = messages.Heartbeat(
                    self._replica, self._stage, self.state, busy_s, process.memory_info().rss
                )
                try:
                    dealer.send(codec.encode(heartbeat))
                except zmq.Again:
                    self.refused = True
                handshakes.look()
                self.refused |= handshakes.refused
            handshakes.close()
        if self.refused:
            os.kill(os.getpid(), signal.SIGTERM)  # wakes the main thread, wherever it waits

    def stop(self) -> None:
        """Ends the thread."""
        self._stopped.set()
        self._thread.join()


class Replica:
    """A module behind a socket."""

    def __init__(self, stage: str, address: str, keys: PeerKeys | None, name: str) -> None:
        self._stage, self._address, self._name = stage, address, name
        self._context = zmq.Context()
        self._dealer = self._context.socket(zmq.DEALER)
        self._dealer.setsockopt(zmq.IDENTITY, name.encode())
        self._dealer.setsockopt(zmq.LINGER, 2000)
        self._dealer.setsockopt(zmq.SNDHWM, 0)  # a full send queue must delay, never drop
        dial(self._dealer, address, keys)
        self._decode = codec.decoder(messages.ToReplica)
        self._poller = SocketPoller()
        self._poller.add(self._dealer)
        self._spec = b""
        self._resync: messages.Resync | None = None  # came while a batch was computed
        self._draining = set_when_asked_to_end(self._poller)
        self._heart = Heart(self._context, address, keys, name, stage)

    def run(self, load: Callable[[ReplicaSpec], Module], wait_s: float = WAIT_S) -> int:
        """Loads the module with `load(spec)`, serves until drained, and returns the exit status.

        It gives up when the relay has not answered after `wait_s`.
        """
        reason, fatal = "", False
        try:
            if self._join(time.monotonic() + wait_s):
                self._heart.state = "loading"
                module = load(msgspec.json.decode(self._spec, type=ReplicaSpec))
                self._heart.state = "warming"
                module.warm_up()
                gc.freeze()  # the model stays; leave it out of every later collection
                self._serve(module)
        except RelevoError as error:
            logger.error("cannot go on: %s", error)
            reason, fatal = str(error), not isinstance(error, RelayError)
        except Exception as error:
            logger.exception("cannot go on")
            reason = f"{type(error).__name__}: {error}"
            raise
        finally:
            self._heart.state = "draining"
            self._send(messages.Leave(self._name, self._stage, reason, fatal))
            self._heart.stop()
            self._dealer.close()
            self._context.term()
        return 1 if reason else 0

    def _join(self, give_up_at: float) -> bool:
        """Asks what to load; False when it was asked to end meanwhile.

        Raises:
            RelayError: the relay refused this replica, or did not answer.
        """
        join = messages.Join(self._name, self._stage, os.getpid())
        self._send(join)
        while (received := self._receive(give_up_at)) is not None:
            match received[0]:
                case messages.StageSpec(spec):
                    self._spec = spec
                    return True
                case messages.Refused(reason):
                    raise RelayError(f"the relay at {self._address} refuses this replica: {reason}")
                case messages.Resync():  # another broker than the one that was asked
                    self._send(join)
                case messages.Drain():
                    return False
        return False

    def _serve(self, module: Module) -> None:
        from workers.replica.batch import Batch  # brings numpy, so only once the thread budget is set

        self._heart.state = "ready"
        self._send(messages.Ready(self._name, self._stage))
        while (received := self._receive()) is not None:
            message, frames = received
            match message:
                case messages.BatchLease():
                    self._heart.state, self._heart.busy_since = "busy", time.monotonic()
                    self._send(Batch(self._name, message, frames, self._send_output, self._abandoned).run(module))
                    self._heart.state, self._heart.busy_since = "ready", None
                    if self._resync is not None:
                        self._ready_again(self._resync)
                case messages.Resync():
                    self._ready_again(message)
                case messages.Refused(reason):
                    raise RelayError(f"the relay at {self._address} refuses this replica: {reason}")
                case messages.Drain():
                    return

    def _ready_again(self, resync: messages.Resync) -> None:
        if resync.spec != self._spec:
            raise RelayError(f"the relay came back with other settings of {self._stage}; start this replica again")
        self._resync = None
        self._send(messages.Ready(self._name, self._stage))

    def _send_output(self, output: messages.Output, frame: Any) -> None:
        self._send(output, frame)
        self._heart.busy_since = time.monotonic()  # an output is progress: not stuck

    def _abandoned(self) -> set[int]:
        """Jobs that were given up since the last look, without waiting; what else arrives is kept for later."""
        jobs = set()
        while (received := self._read()) is not None:
            match received:
                case (messages.AbandonJob(job), _):
                    jobs.add(job)
                case (messages.Drain(), _):
                    self._draining.set()
                case (messages.Resync() as resync, _):
                    self._resync = resync
        return jobs

    def _receive(self, give_up_at: float = math.inf) -> tuple[messages.ToReplica, Sequence[Any]] | None:
        """The next message, or None when this replica was asked to end."""
        while not self._draining.is_set():
            left_s = give_up_at - time.monotonic()
            if left_s <= 0:
                raise RelayError(
                    f"no relay answers at {self._address}; is it up, is this its listen_replicas, "
                    f"and does it admit the key of --keys?"
                )
            received = self._read()
            if received is not None:
                return received
            self._poller.wait(None if left_s == math.inf else left_s)
        if self._heart.refused:
            raise RelayError(
                f"the relay at {self._address} does not admit this replica, or is not the one that its keys are for; "
                f"pass --keys that fit"
            )
        return None

    def _read(self) -> tuple[messages.ToReplica, Sequence[Any]] | None:
        """The next message that is one, or None when there is none."""
        while (frames := receive(self._dealer)) is not None:
            try:
                return codec.read(self._decode, frames)
            except ProtocolError as error:
                logger.warning("ignored a message: %s", error)
        return None

    def _send(self, message: messages.FromReplica, *frames: Any) -> None:
        with contextlib.suppress(zmq.Again):  # not admitted any more, of which the heart tells
            send(self._dealer, message, *frames)


def main() -> None:
    """Runs a replica's process."""
    parser = argparse.ArgumentParser(
        description="One replica of a stage: dials in to a relay, loads what it is told to, and works."
    )
    parser.add_argument("--stage", required=True, help="name of the stage to serve")
    parser.add_argument("--connect", required=True, metavar="ADDRESS", help="the relay's listen_replicas")
    parser.add_argument(
        "--keys", type=Path, metavar="DIR", help="folder with broker.key and peer.key_secret, for tcp://"
    )
    parser.add_argument(
        "--wait", type=float, default=WAIT_S, metavar="S", help="seconds to wait for the relay (default: %(default).0f)"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads to compute with (default: 1)")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda:N (default: cpu)")
    parser.add_argument(
        "--nice", type=int, default=0, metavar="N", help="stand back while others want the cores too (default: 0)"
    )
    parser.add_argument("--weights", type=Path, help="folder with the models, instead of the cache")
    parser.add_argument("--name", help="name of this replica in reports (default: made from the stage and the host)")
    parser.add_argument("--parent", type=int, help="process id to end with; set by the supervisor")
    arguments = parser.parse_args()
    os.nice(arguments.nice)
    apply_budget(arguments.threads, arguments.device)
    if arguments.parent is not None:
        die_with(arguments.parent)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to handle
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    if arguments.weights is not None:
        os.environ["RELEVO_WEIGHTS"] = str(arguments.weights)  # also for models that a module's options name
    name = arguments.name or f"{arguments.stage}@{socket.gethostname()}-{secrets.token_hex(3)}"

    def load(spec: ReplicaSpec) -> Module:
        from modules.contract.module import Compute
        from modules.contract.registry import module_class, module_options
        from modules.weights import locate

        model = None if spec.model is None else locate(spec.model)
        compute = Compute(arguments.threads, arguments.device.partition(":")[0], spec.seed)
        return module_class(spec.module)(model, module_options(spec.module, spec.options), compute)

    try:
        validate_address(arguments.connect)
        keys = None if arguments.keys is None else PeerKeys.read(arguments.keys)
    except ConfigError as error:
        parser.error(str(error))
    sys.exit(Replica(arguments.stage, arguments.connect, keys, name).run(load, arguments.wait))
