"""The one process that owns every stage's queue: it receives, lets the scheduler decide, and sends.

    python -m workers.broker --settings FILE --parent PID

Three ROUTER sockets keep the roles apart: clients, replicas, and the supervisor's control. A peer can only
send the messages of its role; anything else is refused, counted and logged.
"""

from __future__ import annotations

import argparse
import logging
import math
import secrets
import socket
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import zmq
from zmq.utils.monitor import recv_monitor_message

from errors import AddressInUse, ProtocolError, RelevoError
from workers.broker.dead_letters import write_letter
from workers.processes.lifetime import die_with
from workers.processes.termination import leave_terminal_signals_to_parent, termination_event
from workers.scheduling.scheduler import Scheduler
from workers.scheduling.stage import StagePlan
from workers.scheduling.stage_queue import Job
from workers.wire import codec, messages
from workers.wire.addresses import TCP
from workers.wire.keys import HANDSHAKE_FAILED, Admission
from workers.wire.poller import SocketPoller, Source
from workers.wire.sockets import has_message, receive, send_frames

if TYPE_CHECKING:
    from workers.broker.metrics import Metrics
    from workers.broker.metrics_server import Figures, MetricsServer

logger = logging.getLogger("relevo.broker")

HANG_UP_BYTES = 2 * codec.MAX_PAYLOAD_BYTES  # a frame over the limit is refused, one over this ends the connection
LOST_AFTER_S = 5.0  # a replica that is idle so long after it was handed work never got it, or its answer was lost
LINGER_MS = 1000  # how long the last messages may take to leave
# How long to look for the next message before sleeping while one request is all there is to do: most come within it.
# With more requests under way the cores have better to do.
SPIN_S = 0.0003
TURN = 64  # messages taken from one socket before the others are looked at


class BrokerSettings(msgspec.Struct, frozen=True):
    """What the supervisor tells the broker, as a MessagePack file. `specs` is what each stage's replicas are sent."""

    clients: str
    replicas: str
    control: str
    max_attempts: int
    stages: list[StagePlan]
    specs: dict[str, bytes]
    dead_letters: str
    keys: str | None
    metrics: str | None
    objectives_s: tuple[float, ...]
    spans: bool


class Broker:
    """Sockets around a `Scheduler`."""

    def __init__(self, settings: BrokerSettings) -> None:
        self._context = zmq.Context()
        self._poller = SocketPoller()
        self._admission = Admission(self._context, Path(settings.keys)) if settings.keys else None
        self._monitors: list[zmq.Socket[bytes]] = []
        self._control = self._bind(settings.control, "TMPDIR")
        self._replicas = self._bind(settings.replicas, "listen_replicas")
        self._clients = self._bind(settings.clients, "listen")
        self._metrics, self._metrics_server = _measure(settings)
        # No job of ours may bear the number of one that an earlier broker handed out: its answer may still come.
        first_number = secrets.randbits(40) << 20
        self._scheduler = Scheduler(
            settings.stages, self, settings.max_attempts, first_number, self._metrics, settings.spans
        )
        self._settings = settings
        self._instance = secrets.token_hex(4)
        self._supervisor: bytes | None = None
        self._desired: dict[str, int] = {}
        self._joined: dict[str, str] = {}  # replica → stage, from its first message on
        self._for_clients: dict[bytes, list[Any]] = {}  # frames to send at the end of this turn
        self._close_at: float | None = None
        self.refused = 0

    def _bind(self, address: str, key: str) -> zmq.Socket[bytes]:
        # libzmq takes an ipc path over from a living listener without a word, so ask who answers there first
        path = address.removeprefix("ipc://")
        if path != address and _answers(path):
            raise AddressInUse(f"{address} is in use by another process; stop it or set {key}: to another path")
        made = self._context.socket(zmq.ROUTER)
        made.setsockopt(zmq.ROUTER_MANDATORY, 1)
        made.setsockopt(zmq.ROUTER_HANDOVER, 1)
        made.setsockopt(zmq.SNDHWM, 0)  # credit bounds what is sent; a dropped message would lose a job
        made.setsockopt(zmq.RCVHWM, 0)
        made.setsockopt(zmq.MAXMSGSIZE, HANG_UP_BYTES)
        if address.startswith(TCP):
            self._monitors.append(made.get_monitor_socket(HANDSHAKE_FAILED))
            self._poller.add(self._monitors[-1])
            if self._admission is not None:
                self._admission.secure(made)
        try:
            made.bind(address)
        except zmq.ZMQError as error:
            raise AddressInUse(f"cannot listen on {address}: {error}; set {key}: to another address") from error
        self._poller.add(made)
        return made

    def run(self) -> None:
        """Serves until SIGTERM, then lets what was sent leave."""
        asked_to_end = termination_event(self._poller)
        takers: dict[Source, Callable[[], None]] = {
            self._control: self._taker(self._control, messages.FromSupervisor, self._from_supervisor),
            self._replicas: self._taker(self._replicas, messages.FromReplica, self._from_replica),
            self._clients: self._taker(self._clients, messages.FromClient, self._from_client),
            **{monitor: partial(self._take_refusals, monitor) for monitor in self._monitors},
        }
        if self._metrics_server is not None:
            self._poller.add(self._metrics_server.inquiries_fd)
            takers[self._metrics_server.inquiries_fd] = partial(self._metrics_server.answer, self._figures)
        while not asked_to_end.is_set():
            for source in self._poller.wait(self._wait_s(), SPIN_S if self._scheduler.open_requests == 1 else 0.0):
                if source in takers:
                    takers[source]()
            self._scheduler.tick(time.monotonic())
            self._report_closed()
            self._send_to_clients()
        self._send_to_clients()
        for replica in self._joined:  # those that the supervisor did not start learn it here
            self.to_replica(replica, messages.Drain())
        if self._admission is not None:
            self._admission.close()
        self._context.destroy(LINGER_MS)

    def _refuse(self, what: str) -> None:
        self.refused += 1
        logger.warning("refused (%d so far) %s", self.refused, what)

    def _take_refusals(self, monitor: zmq.Socket[bytes]) -> None:
        while has_message(monitor):
            event = recv_monitor_message(monitor)
            self._refuse(f"a connection to {event['endpoint'].decode()}: {zmq.Event(event['event']).name}")

    def _wait_s(self) -> float | None:
        next_at = min(self._scheduler.next_tick_at(), self._close_at if self._close_at is not None else math.inf)
        return None if next_at == math.inf else max(0.0, next_at - time.monotonic())

    def _taker(self, inlet: zmq.Socket[bytes], types: Any, handle: Callable[..., None]) -> Callable[[], None]:
        """A function that reads what has arrived at an inlet and hands it to `handle`."""
        decode = codec.decoder(types)

        def take() -> None:
            for _ in range(TURN):
                parts = receive(inlet)
                if parts is None:
                    return
                sender, *frames = parts
                try:
                    message, payloads = codec.read(decode, frames)
                except ProtocolError as error:
                    self._refuse(f"a message: {error}")
                    continue
                handle(sender, message, payloads)
            self._poller.used(inlet)

        return take

    # what arrives

    def _from_client(self, sender: bytes, message: messages.FromClient, frames: Sequence[Any]) -> None:
        now = time.monotonic()
        match message:
            case messages.Submit():
                self._scheduler.submit(sender, message, frames[0], now)
            case messages.Cancel(request):
                self._scheduler.cancel(sender, request, now)
            case messages.Scale(stage, replicas):
                self._tell_supervisor(messages.ForwardedScale(sender, stage, replicas))
            case messages.GetStatus():
                stages = self._scheduler.stage_infos(self._desired)
                ready = self._scheduler.all_ready
                accepts = self._settings.stages[0].accepts
                self.to_client(sender, messages.RelayStatus(self._instance, ready, accepts, stages, self.refused))

    def _from_replica(self, _: bytes, message: messages.FromReplica, frames: Sequence[Any]) -> None:
        now = time.monotonic()
        match message:
            case messages.Output():
                self._scheduler.output(message, frames[0], now)
            case messages.BatchEnd():
                self._scheduler.done(message, now)
            case (
                messages.Join(replica, stage) | messages.Ready(replica, stage) | messages.Heartbeat(replica, stage)
            ) if stage not in self._settings.specs:
                self._refuse(f"replica {replica}: there is no stage {stage!r} here")
                reason = f"it has no stage {stage!r}, only {', '.join(self._settings.specs)}"
                self.to_replica(replica, messages.Refused(reason))
            case messages.Join(replica, stage):
                self._joined[replica] = stage
                self.to_replica(replica, messages.StageSpec(self._settings.specs[stage]))
                self._pass_on(messages.ReplicaStatus(replica, stage, "loading"))
            case messages.Ready(replica, stage):
                self._joined[replica] = stage
                self._scheduler.ready(replica, stage, now)
                self._pass_on(messages.ReplicaStatus(replica, stage, "ready"))
            case messages.Heartbeat(replica, stage, state, busy_s, rss_bytes):
                lost = state == "ready" and self._scheduler.handed_before(replica, now - LOST_AFTER_S)
                if replica not in self._joined or lost:
                    resync = codec.encode(messages.Resync(self._settings.specs[stage]))
                    if self._send(self._replicas, replica.encode(), (resync,)):  # else again at its next beat
                        self._joined[replica] = stage
                self._pass_on(messages.ReplicaStatus(replica, stage, state, busy_s, rss_bytes))
            case messages.Leave(replica, stage, reason, fatal):
                self._joined.pop(replica, None)
                self._scheduler.gone(replica, reason or "it left", now, died=bool(reason))
                self._pass_on(messages.ReplicaStatus(replica, stage, "dead", reason=reason, fatal=fatal))

    def _from_supervisor(self, sender: bytes, message: messages.FromSupervisor, _: Sequence[Any]) -> None:
        now = time.monotonic()
        match message:
            case messages.Attach(desired):
                self._supervisor, self._desired = sender, desired
                clients, replicas = (
                    router.getsockopt_string(zmq.LAST_ENDPOINT) for router in (self._clients, self._replicas)
                )
                metrics = self._metrics_server.address if self._metrics_server is not None else ""
                self._tell_supervisor(messages.BrokerReady(self._instance, clients, replicas, metrics))
            case messages.ReplicaGone(replica, cause, log_tail):
                self._joined.pop(replica, None)
                if self._metrics is not None:
                    self._metrics.gone(replica)
                self._scheduler.gone(replica, cause, now, log_tail)
            case messages.ForwardedScaleReply(client, error, desired):
                self._desired = desired
                self.to_client(client, messages.ScaleReply(error))
            case messages.ReplicaRestarting(stage, cause):
                if self._metrics is not None:
                    self._metrics.restarting(stage, cause)
            case messages.GetLoads():
                self._tell_supervisor(messages.StageLoads(self._scheduler.loads(now)))
            case messages.DesiredReplicas(replicas):
                self._desired = replicas
            case messages.StageDown(stage, reason):
                self._scheduler.stage_down(stage, reason, now)
            case messages.DrainReplica(replica):
                self._scheduler.retire(replica)
                if self._metrics is not None:
                    self._metrics.retiring(replica)
            case messages.DrainRelay(within_s):
                self._scheduler.close()
                self._close_at = now + within_s

    def _report_closed(self) -> None:
        if self._close_at is None:
            return
        if self._scheduler.open_requests and time.monotonic() >= self._close_at:
            self._scheduler.end_all("the relay was closed before it was finished", time.monotonic())
        if not self._scheduler.open_requests:
            self._close_at = None
            self._tell_supervisor(messages.RelayDrained())

    def _figures(self) -> Figures:
        from workers.broker.metrics_server import Figures

        stages = self._scheduler.stage_infos(self._desired)
        families = self._metrics.families(stages, self._scheduler.at_work()) if self._metrics is not None else []
        return Figures(families, stages, self._scheduler.blockers())

    # what leaves

    def to_client(self, client: bytes, message: messages.ToClient, *frames: Any) -> None:
        """Sends to a client, at the end of this turn and together with what else it is told."""
        self._for_clients.setdefault(client, []).extend((codec.encode(message), *frames))

    def _send_to_clients(self) -> None:
        for client, frames in self._for_clients.items():  # one that is no longer there is not waited for
            self._send(self._clients, client, frames)
        self._for_clients.clear()

    def to_replica(self, replica: str, message: messages.ToReplica, *frames: Any) -> None:
        """Sends to a replica; when it is not there the supervisor's Gone takes back what it was handed."""
        self._send(self._replicas, replica.encode(), (codec.encode(message), *frames))

    def dead_letter(self, job: Job, stage: str, reason: str, log_tail: str) -> None:
        """Writes the job to the folder of dead letters."""
        try:
            folder = write_letter(Path(self._settings.dead_letters), job, stage, reason, log_tail)
        except OSError as error:
            logger.error("cannot keep the dead letter of request %s: %s", job.request.id, error)
        else:
            logger.error("request %s is a dead letter: %s; kept in %s", job.request.id, reason, folder)

    def _pass_on(self, status: messages.ReplicaStatus) -> None:
        if self._metrics is not None:
            self._metrics.replica_status(status)
        self._tell_supervisor(status)

    def _tell_supervisor(self, message: messages.ToSupervisor) -> None:
        if self._supervisor is not None:
            self._send(self._control, self._supervisor, (codec.encode(message),))

    def _send(self, router: zmq.Socket[bytes], peer: bytes, frames: Sequence[Any]) -> bool:
        """Whether the peer is there to be sent to."""
        self._poller.used(router)
        try:
            send_frames(router, (peer, *frames))
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            logger.info("a message for %r has nowhere to go: it is not connected", peer)
            return False
        return True


def _measure(settings: BrokerSettings) -> tuple[Metrics | None, MetricsServer | None]:
    if settings.metrics is None:
        return None, None
    from workers.broker.metrics import Metrics  # brings prometheus-client and HTTP, for this process only
    from workers.broker.metrics_server import MetricsServer

    metrics = Metrics([stage.name for stage in settings.stages], settings.objectives_s)
    return metrics, MetricsServer(settings.metrics)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def main() -> None:
    """Runs the broker's process."""
    parser = argparse.ArgumentParser(description="The broker of a relay; `python pipeline.py` starts it.")
    parser.add_argument("--settings", type=Path, required=True, help="file with the BrokerSettings, as MessagePack")
    parser.add_argument("--parent", type=int, required=True, help="process id of the supervisor, to end with it")
    arguments = parser.parse_args()
    die_with(arguments.parent)
    leave_terminal_signals_to_parent()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    settings = msgspec.msgpack.decode(arguments.settings.read_bytes(), type=BrokerSettings)
    try:
        broker = Broker(settings)
    except RelevoError as error:
        sys.exit(str(error))
    broker.run()
