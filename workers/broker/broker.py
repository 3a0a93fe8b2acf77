"""The broker: it receives messages, lets the scheduler decide, and sends what follows.

Three ROUTER sockets keep the roles apart: clients, replicas, and the supervisor. docs/protocol.md says who may send
what.
"""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq

from workers.broker.dead_letters import write_letter
from workers.broker.router_sockets import RouterSockets
from workers.broker.settings import BrokerSettings
from workers.processes.termination import termination_event
from workers.scheduling.request import Job
from workers.scheduling.scheduler import Scheduler
from workers.wire import codec, messages
from workers.wire.shorten import NAME_CHARS, shorten

if TYPE_CHECKING:
    from workers.broker.metrics import Metrics
    from workers.broker.metrics_server import MetricsServer, RelayFigures

logger = logging.getLogger("relevo.broker")

# A replica that reports `ready` so long after jobs were leased to it never got them, or its BatchEnd was lost.
LEASE_LOST_AFTER_S = 5.0
# How long to look for the next message before sleeping while one request is open: most messages come within it. With
# more requests open, others need the core.
SPIN_S = 0.0003
HEARTBEAT_S = 1.0  # between two signs of life to the supervisor
INTERNAL_ERROR = "an internal error of the broker, which is in its log"


class Broker:
    """The scheduler's surroundings: sockets, metrics and dead letters. It is the scheduler's `Delivery`."""

    def __init__(self, settings: BrokerSettings) -> None:
        """Listens at every address.

        Raises:
            AddressInUse: an address cannot be listened on.
            ConfigError: the broker's key pair cannot be read.
        """
        self._settings = settings
        self._sockets = RouterSockets(Path(settings.keys) if settings.keys else None)
        self._control = self._sockets.listen(settings.control, "TMPDIR")
        self._replicas = self._sockets.listen(settings.replicas, "listen_replicas")
        self._clients = self._sockets.listen(settings.clients, "listen")
        self._metrics, self._metrics_server = _serve_metrics(settings)
        # Job numbers begin at a random place: messages about the jobs of an earlier broker may still arrive.
        first_job = secrets.randbits(40) << 20
        self._scheduler = Scheduler(
            settings.stages, self, settings.max_attempts, first_job, self._metrics, settings.spans
        )
        self._instance = secrets.token_hex(4)
        self._supervisor: bytes | None = None
        self._desired: dict[str, int] = {}
        self._stage_of: dict[str, str] = {}  # by replica, from its first message until it is gone
        self._for_clients: dict[bytes, list[Any]] = {}  # frames to send at the end of this turn
        self._drain_until: float | None = None
        self._heartbeat_at = 0.0  # when the supervisor is told next that this loop runs

    def run(self) -> None:
        """Serves until SIGTERM, then sends what is left to send."""
        sockets = self._sockets
        asked_to_end = termination_event(sockets.poller)
        sockets.on_message(self._control, messages.FromSupervisor, partial(self._guarded, self._from_supervisor))
        sockets.on_message(self._replicas, messages.FromReplica, partial(self._guarded, self._from_replica))
        sockets.on_message(self._clients, messages.FromClient, self._take_from_client)
        if self._metrics_server is not None:
            answer = partial(self._metrics_server.answer, self._figures)
            sockets.on_input(self._metrics_server.waiting_fd, partial(self._guarded, answer))
        while not asked_to_end.is_set():
            sockets.take(sockets.poller.wait(self._wait_s(), SPIN_S if self._scheduler.open_requests == 1 else 0.0))
            self._guarded(self._scheduler.tick, time.monotonic())
            self._guarded(self._report_drained)
            self._guarded(self._send_heartbeat, time.monotonic())
            self._send_to_clients()
        self._send_to_clients()
        for replica in self._stage_of:  # tells those that the supervisor did not start
            self.to_replica(replica, messages.Drain())
        sockets.close()

    def _wait_s(self) -> float:
        drain_until = self._drain_until if self._drain_until is not None else math.inf
        next_at = min(self._scheduler.next_tick_at(), drain_until, self._heartbeat_at)
        return max(0.0, next_at - time.monotonic())

    def _send_heartbeat(self, now: float) -> None:
        if now >= self._heartbeat_at:
            self._heartbeat_at = now + HEARTBEAT_S
            self._to_supervisor(messages.BrokerHeartbeat())

    def _guarded(self, step: Callable[..., object], *arguments: Any) -> bool:
        """Runs one step of the loop; False when it raised, which is a fault of ours and must not end the loop."""
        try:
            step(*arguments)
        except Exception:
            logger.exception("internal error; the broker goes on with the next message")
            if self._metrics is not None:
                self._metrics.internal_error()
            return False
        return True

    # received

    def _take_from_client(self, sender: bytes, message: messages.FromClient, frames: Sequence[Any]) -> None:
        """Handles a client's message. A request whose Submit could not be handled ends as failed."""
        if not self._guarded(self._from_client, sender, message, frames) and isinstance(message, messages.Submit):
            self._guarded(self._scheduler.fail, sender, message.request, INTERNAL_ERROR, time.monotonic())

    def _from_client(self, sender: bytes, message: messages.FromClient, frames: Sequence[Any]) -> None:
        now = time.monotonic()
        match message:
            case messages.Submit():
                self._scheduler.submit(sender, message, frames[0], now)
            case messages.Cancel(request):
                self._scheduler.cancel(sender, request, now)
            case messages.Scale(call, stage, replicas):
                self._to_supervisor(messages.ForwardedScale(sender, call, shorten(stage, NAME_CHARS), replicas))
            case messages.GetStatus(call):
                self.to_client(sender, self._status(call))

    def _status(self, call: int) -> messages.RelayStatus:
        stages = self._scheduler.stages
        return messages.RelayStatus(
            call=call,
            instance=self._instance,
            ready=stages.all_ready,
            accepts=stages.in_order[0].plan.accepts,
            stages=stages.infos(self._desired),
            refused=self._sockets.refused,
        )

    def _from_replica(self, _: bytes, message: messages.FromReplica, frames: Sequence[Any]) -> None:
        now = time.monotonic()
        match message:
            case messages.Output():
                self._scheduler.output(message, frames[0], now)
            case messages.BatchEnd():
                self._scheduler.batch_ended(message, now)
            case messages.Leave(replica, stage, reason, fatal):
                self._stage_of.pop(replica, None)
                self._scheduler.replica_gone(replica, reason or "it left", now, died=bool(reason))
                reason = shorten(reason)
                self._pass_on(messages.ReplicaStatus(replica, stage, "dead", reason=reason, fatal=fatal))
            case _ if message.stage not in self._settings.specs:
                self._refuse_replica(message.replica, message.stage)
            case messages.Join(replica, stage):
                self._stage_of[replica] = stage
                self.to_replica(replica, messages.StageSpec(self._settings.specs[stage]))
                self._pass_on(messages.ReplicaStatus(replica, stage, "loading"))
            case messages.Ready(replica, stage):
                self._stage_of[replica] = stage
                self._scheduler.replica_ready(replica, stage, now)
                self._pass_on(messages.ReplicaStatus(replica, stage, "ready"))
            case messages.Heartbeat(replica, stage, state, busy_s, rss_bytes):
                self._resync(message, now)
                self._pass_on(messages.ReplicaStatus(replica, stage, state, busy_s, rss_bytes))

    def _refuse_replica(self, replica: str, stage: str) -> None:
        shown = repr(shorten(stage, NAME_CHARS))
        self._sockets.refuse(f"replica {replica!r}: there is no stage {shown}")
        reason = f"it has no stage {shown}, only {', '.join(self._settings.specs)}"
        self.to_replica(replica, messages.Refused(reason))

    def _resync(self, message: messages.Heartbeat, now: float) -> None:
        """Asks a replica for Ready when this broker does not know it, or when the two disagree about its lease."""
        replica, stage = message.replica, message.stage
        lease_lost = message.state == "ready" and self._scheduler.stages.leased_before(
            replica, now - LEASE_LOST_AFTER_S
        )
        if replica in self._stage_of and not lease_lost:
            return
        resync = codec.encode(messages.Resync(self._settings.specs[stage]))
        if self._sockets.send(self._replicas, replica.encode(), (resync,)):  # else again at its next heartbeat
            self._stage_of[replica] = stage

    def _from_supervisor(self, sender: bytes, message: messages.FromSupervisor, _: Sequence[Any]) -> None:
        now = time.monotonic()
        match message:
            case messages.Attach(desired):
                self._supervisor, self._desired = sender, desired
                self._to_supervisor(self._ready())
            case messages.ReplicaGone(replica, cause, log_tail):
                self._stage_of.pop(replica, None)
                if self._metrics is not None:
                    self._metrics.replica_gone(replica)
                self._scheduler.replica_gone(replica, cause, now, log_tail)
            case messages.ForwardedScaleReply(client, call, error, desired):
                self._desired = desired
                self.to_client(client, messages.ScaleReply(call, shorten(error)))
            case messages.ReplicaRestarting(stage, cause):
                if self._metrics is not None:
                    self._metrics.replica_restarting(stage, cause)
            case messages.GetLoads():
                self._to_supervisor(messages.StageLoads(self._scheduler.stages.loads(now)))
            case messages.DesiredReplicas(replicas):
                self._desired = replicas
            case messages.StageDown(stage, reason):
                self._scheduler.stage_down(stage, reason, now)
            case messages.StageUp(stage):
                self._scheduler.stage_up(stage, now)
            case messages.DrainReplica(replica):
                self._scheduler.drain_replica(replica)
                if self._metrics is not None:
                    self._metrics.draining(replica)
            case messages.DrainRelay(within_s):
                self._scheduler.stop_accepting()
                self._drain_until = now + within_s

    def _ready(self) -> messages.BrokerReady:
        metrics = self._metrics_server.address if self._metrics_server is not None else ""
        clients, replicas = (router.getsockopt_string(zmq.LAST_ENDPOINT) for router in (self._clients, self._replicas))
        return messages.BrokerReady(self._instance, clients, replicas, metrics)

    def _report_drained(self) -> None:
        if self._drain_until is None:
            return
        if self._scheduler.open_requests and time.monotonic() >= self._drain_until:
            self._scheduler.cancel_all("the relay was closed before it was finished", time.monotonic())
        if not self._scheduler.open_requests:
            self._drain_until = None
            self._to_supervisor(messages.RelayDrained())

    def _figures(self) -> RelayFigures:
        from workers.broker.metrics_server import RelayFigures

        stages = self._scheduler.stages
        infos = stages.infos(self._desired)
        families = self._metrics.families(infos, stages.busy_replicas()) if self._metrics is not None else []
        return RelayFigures(families, infos, self._scheduler.blockers())

    # sent

    def to_client(self, client: bytes, message: messages.ToClient, *frames: Any) -> None:
        """Sends to a client, at the end of this turn and together with what else it is sent."""
        self._for_clients.setdefault(client, []).extend((codec.encode(message), *frames))

    def _send_to_clients(self) -> None:
        for client, frames in self._for_clients.items():
            self._sockets.send(self._clients, client, frames)  # one that has gone away asks again when it is back
        self._for_clients.clear()

    def to_replica(self, replica: str, message: messages.ToReplica, *frames: Any) -> None:
        """Sends to a replica. If it has gone, the supervisor's ReplicaGone returns its jobs to their queue."""
        self._sockets.send(self._replicas, replica.encode(), (codec.encode(message), *frames))

    def dead_letter(self, job: Job, stage: str, reason: str, log_tail: str) -> None:
        """Writes the job to the folder of dead letters."""
        try:
            folder = write_letter(Path(self._settings.dead_letters), job, stage, reason, log_tail)
        except OSError as error:
            logger.error("cannot keep the dead letter of request %s: %s", job.request.id, error)
        else:
            logger.error("request %s is a dead letter: %s; kept in %s", job.request.id, reason, folder)

    def deaths_explained(self, replicas: tuple[str, ...]) -> None:
        """Tells the supervisor, which does not count these deaths against their stage."""
        self._to_supervisor(messages.DeathsExplained(replicas))

    def _pass_on(self, status: messages.ReplicaStatus) -> None:
        if self._metrics is not None:
            self._metrics.replica_status(status)
        self._to_supervisor(status)

    def _to_supervisor(self, message: messages.ToSupervisor) -> None:
        if self._supervisor is not None:
            self._sockets.send(self._control, self._supervisor, (codec.encode(message),))


def _serve_metrics(settings: BrokerSettings) -> tuple[Metrics | None, MetricsServer | None]:
    if settings.metrics is None:
        return None, None
    from workers.broker.metrics import Metrics  # imports prometheus-client and HTTP, which a relay without them skips
    from workers.broker.metrics_server import MetricsServer

    metrics = Metrics([stage.name for stage in settings.stages], settings.objectives_s)
    return metrics, MetricsServer(settings.metrics)
