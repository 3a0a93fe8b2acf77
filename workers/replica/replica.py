"""The loop of one replica: it joins a relay, loads a module, and computes the batches that it is leased.

A replica asks for work by saying that it is ready: one credit, one batch. The main thread computes and owns the
socket that work arrives on. Heartbeats leave from a second thread with a socket of its own.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import zmq

from errors import ProtocolError, RelayError, RelevoError
from workers.processes.termination import termination_event
from workers.replica.heartbeat import HeartbeatSender
from workers.replica.module_spec import ModuleSpec
from workers.wire import codec, messages
from workers.wire.keys import PeerKeys, dial
from workers.wire.poller import SocketPoller
from workers.wire.sockets import receive, send

if TYPE_CHECKING:
    from modules.contract.module import Module

logger = logging.getLogger("relevo.replica")

LINGER_MS = 2000  # how long the last messages may take to leave


class Replica:
    """A module behind a socket, for the life of one process."""

    def __init__(self, stage: str, address: str, keys: PeerKeys | None, name: str) -> None:
        """Connects to the relay at `address`, and starts to send heartbeats."""
        self._stage, self._address, self._name = stage, address, name
        self._context = zmq.Context()
        self._dealer = self._context.socket(zmq.DEALER)
        self._dealer.setsockopt(zmq.IDENTITY, name.encode())
        self._dealer.setsockopt(zmq.LINGER, LINGER_MS)
        self._dealer.setsockopt(zmq.SNDHWM, 0)  # a full send queue must delay, never drop
        dial(self._dealer, address, keys)
        self._decode = codec.decoder(messages.ToReplica)
        self._poller = SocketPoller()
        self._poller.add(self._dealer)
        self._spec = b""
        self._resync: messages.Resync | None = None  # one that came while a batch was computed
        self._draining = termination_event(self._poller)
        self._heartbeat = HeartbeatSender(self._context, address, keys, name, stage)

    def run(self, load: Callable[[ModuleSpec], Module], wait_s: float) -> int:
        """Loads the module, serves until it is drained, and returns the process's exit status.

        Args:
            load: makes the module that the relay names.
            wait_s: how long the relay may take to answer.
        """
        reason, fatal = "", False
        try:
            if self._join(time.monotonic() + wait_s):
                self._heartbeat.enter("loading")
                module = load(msgspec.json.decode(self._spec, type=ModuleSpec))
                self._heartbeat.enter("warming")
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
            self._heartbeat.enter("draining")
            self._send(messages.Leave(self._name, self._stage, reason, fatal))
            self._heartbeat.stop()
            self._dealer.close()
            self._context.term()
        return 1 if reason else 0

    def _join(self, give_up_at: float) -> bool:
        """Asks for the stage's specification; returns False if this replica was asked to end meanwhile.

        Raises:
            RelayError: the relay refused this replica, or did not answer.
        """
        join = messages.Join(self._name, self._stage)
        self._send(join)
        while (received := self._receive(give_up_at)) is not None:
            match received[0]:
                case messages.StageSpec(spec):
                    self._spec = spec
                    return True
                case messages.Refused(reason):
                    raise RelayError(f"the relay at {self._address} refuses this replica: {reason}")
                case messages.Resync():  # from a broker that has replaced the one that was asked
                    self._send(join)
                case messages.Drain():
                    return False
        return False

    def _serve(self, module: Module) -> None:
        """Computes batches until this replica is asked to end.

        Raises:
            RelayError: the relay refused this replica, or came back with another specification.
        """
        from workers.replica.batch import Batch  # brings numpy, so only once the thread budget is set

        self._heartbeat.enter("ready")
        self._send(messages.Ready(self._name, self._stage))
        while (received := self._receive()) is not None:
            message, frames = received
            match message:
                case messages.BatchLease():
                    self._heartbeat.enter("busy")
                    self._send(Batch(self._name, message, frames, self._send_output, self._abandoned).run(module))
                    self._heartbeat.enter("ready")
                    if self._resync is not None:
                        self._ready_again(self._resync)
                case messages.Resync():
                    self._ready_again(message)
                case messages.Refused(reason):
                    raise RelayError(f"the relay at {self._address} refuses this replica: {reason}")
                case messages.Drain():
                    return

    def _ready_again(self, resync: messages.Resync) -> None:
        """Gives its credit to a broker that lost it, if that has the same specification."""
        if resync.spec != self._spec:
            raise RelayError(f"the relay came back with other settings of {self._stage}; start this replica again")
        self._resync = None
        self._send(messages.Ready(self._name, self._stage))

    def _send_output(self, output: messages.Output, frame: Any) -> None:
        self._send(output, frame)
        self._heartbeat.enter("busy")  # an output is progress: the time without one starts again

    def _abandoned(self) -> set[int]:
        """Returns the jobs that were abandoned since the last call; what else has arrived is kept for later."""
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
        """Waits for the next message; returns None once this replica is asked to end.

        Raises:
            RelayError: nothing came until `give_up_at`, or the relay does not admit this replica.
        """
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
        if self._heartbeat.refused:
            raise RelayError(
                f"the relay at {self._address} does not admit this replica, or is not the one that its keys are for; "
                f"pass --keys that fit"
            )
        return None

    def _read(self) -> tuple[messages.ToReplica, Sequence[Any]] | None:
        """Returns the next message that has arrived, or None; what is no message is skipped."""
        while (frames := receive(self._dealer)) is not None:
            try:
                return codec.read(self._decode, frames)
            except ProtocolError as error:
                logger.warning("ignored a message: %s", error)
        return None

    def _send(self, message: messages.FromReplica, *frames: Any) -> None:
        with contextlib.suppress(zmq.Again):  # not admitted any more, which the heartbeats notice
            send(self._dealer, message, *frames)
