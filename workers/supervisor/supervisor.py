"""Keeps the processes of one relay alive: a thread that starts, replaces, scales and ends them.

Restarts: a replica that dies comes back after 1, 2, 4 … 30 seconds. A stage whose replicas die `deaths_per_minute`
times within a minute is given up with the reason, and so is one whose model cannot be loaded for a reason that a
restart does not help. It is tried again later with one replica, and at once by `scale`. The broker comes back at once,
on the same addresses; if it then cannot listen, it waits too. A broker that is silent is killed and replaced.

No message ends the thread. What ends it all the same ends the relay, and `on_failure` tells why.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import zmq

from errors import RelayClosed, RelayError
from workers.plan import Plan
from workers.supervisor.autoscaling import Autoscaler
from workers.supervisor.broker_process import BrokerProcess
from workers.supervisor.health_policy import HealthPolicy
from workers.supervisor.local_replicas import LocalReplicas
from workers.supervisor.remote_replicas import RemoteReplicas
from workers.supervisor.replica_view import ReplicaView
from workers.supervisor.run_folder import RunFolder
from workers.supervisor.slot import Launch
from workers.wire import codec, messages
from workers.wire.addresses import PRIVATE

logger = logging.getLogger("relevo.supervisor")

CHECK_S = 1.0  # between two checks of the replicas' health and the stages' load
DRAIN_GRACE_S = 1.0  # how much later than the drain's bound the broker may report its end


class Supervisor:
    """A thread that keeps a plan's processes alive, from `start` to `stop`, or to the end of the interpreter."""

    def __init__(self, plan: Plan, weights: Path | None = None, quiet: bool = True) -> None:
        """Prepares; nothing runs before `start`.

        Args:
            plan: what to run.
            weights: folder that holds the models, instead of the cache.
            quiet: keep the processes' logs in files of the run's folder instead of our standard error.
        """
        self._plan, self._weights, self._quiet = plan, weights, quiet
        health = {stage.name: HealthPolicy.of(stage.config, plan.config.heartbeat_timeout_s) for stage in plan.stages}
        self._local = LocalReplicas(plan, health, self._tell, self._fail)
        self._remote = RemoteReplicas(health)
        self._autoscalers = {
            stage.name: Autoscaler(stage.config.autoscale) for stage in plan.stages if stage.config.autoscale
        }
        self._check_loads_at = 0.0
        self._broker: BrokerProcess | None = None
        self._changed = threading.Condition(threading.RLock())
        self._error: RelayError | None = None
        self._on_failure: Callable[[RelayError], None] | None = None
        self._wake_fd: int | None = None  # of an eventfd, while the thread runs
        self._ended = threading.Event()
        self._drain_s: float | None = None  # how long to drain, once it shall end …
        self._told_drain_s: float | None = None  # … as the broker was last told
        self._end_at = math.inf
        self._drained = False

    # what the pipeline calls

    def start(self, on_change: Callable[[list[ReplicaView]], None] | None = None) -> None:
        """Starts every process and returns once every stage has a warmed replica.

        Args:
            on_change: called with the replicas whenever one of them changes meanwhile.

        Raises:
            AddressInUse: the address to listen on is taken.
            StageFailed: a stage cannot be brought up; says why.
            RelayError: no folder can be made for the relay's private sockets.
        """
        folder = RunFolder()
        self._broker = BrokerProcess(self._plan.config, folder, self._quiet)
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        # The interpreter does not wait for a daemon: a program that forgets `stop`, or is interrupted there, can end.
        thread = threading.Thread(
            target=self._run, args=(folder, self._broker, self._wake_fd), name="supervisor", daemon=True
        )
        atexit.register(self.stop, 0.0)
        thread.start()
        with self._changed:
            while self._error is None and not self._is_ready():
                self._changed.wait()
                if on_change is not None:
                    on_change(self.replicas())
            if self._error is not None:
                raise self._error

    def on_failure(self, call: Callable[[RelayError], None]) -> None:
        """Calls back once if the relay ends by itself, with the reason; at once if it has ended already.

        The call comes from the supervisor's thread, after the last process has ended.
        """
        with self._changed:
            self._on_failure = call
            failed = self._ended.is_set() and self._drain_s is None
        if failed:
            call(self._error or RelayClosed("the relay was closed"))

    def stop(self, drain_s: float) -> None:
        """Refuses new requests, lets accepted ones finish for at most `drain_s`, and ends every process.

        It may be called again, with a shorter time too.
        """
        if self._broker is None:
            return
        with self._changed:
            self._drain_s = drain_s if self._drain_s is None else min(drain_s, self._drain_s)
            if self._wake_fd is not None:
                os.eventfd_write(self._wake_fd, 1)
        self._ended.wait()  # not a join: one that a signal interrupts takes the thread for ended (bpo-45274)
        atexit.unregister(self.stop)

    @property
    def address(self) -> str:
        """Where clients connect."""
        return self._broker_ready.clients

    @property
    def replica_address(self) -> str:
        """Where replicas connect."""
        return self._broker_ready.replicas

    @property
    def metrics_url(self) -> str | None:
        """Where Prometheus scrapes, or None when no metrics are served."""
        ready = self._broker.ready if self._broker else None
        return f"http://{ready.metrics}/metrics" if ready and ready.metrics else None

    def replicas(self) -> list[ReplicaView]:
        """The replicas as they are now, the remote ones without a process id."""
        with self._changed:
            return [*self._local.views(), *self._remote.views()]

    @property
    def broker_pid(self) -> int | None:
        """Process id of the broker, or None while it has no process."""
        return self._broker.pid if self._broker else None

    @property
    def _broker_ready(self) -> messages.BrokerReady:
        if self._broker is None or self._broker.ready is None:
            raise RelayClosed("the relay has not started; call start() first")
        return self._broker.ready

    def _is_ready(self) -> bool:
        return self._local.slots.serving() | self._remote.serving() == set(self._local.slots.stages)

    # the thread

    def _run(self, folder: RunFolder, broker: BrokerProcess, wake_fd: int) -> None:
        try:
            self._supervise(folder, broker, wake_fd)
        finally:
            with self._changed:
                self._ended.set()
                call = self._on_failure if self._drain_s is None else None
            if call is not None:
                call(self._error or RelayClosed("the relay was closed"))

    def _supervise(self, folder: RunFolder, broker: BrokerProcess, wake_fd: int) -> None:
        """Keeps the processes alive until `stop`, then ends them and removes the folder."""
        context: zmq.Context[Any] = zmq.Context()
        self._control = context.socket(zmq.DEALER)
        self._control.setsockopt(zmq.LINGER, 0)
        decode = codec.decoder(messages.ToSupervisor)
        try:
            self._control.connect(folder.socket_address("control"))
            while not self._is_finished(broker):
                now = time.monotonic()
                with self._changed:
                    self._start_due(broker, folder, now)
                self._wait(broker, wake_fd, now)
                with self._changed:
                    while self._control.poll(0):
                        self._receive(decode, self._control.recv(), broker)
                    self._look_after(broker, time.monotonic())
                    self._changed.notify_all()
        except Exception as error:
            logger.exception("the supervisor failed")
            self._error = None  # what ended an earlier start-up is not why it ends now
            self._fail(RelayError(f"the supervisor failed: {type(error).__name__}: {error}"))
        finally:
            self._local.end()
            broker.end()  # after the replicas, which tell it that they leave
            context.destroy()
            folder.remove()
            with self._changed:
                self._wake_fd = None
                os.close(wake_fd)
            self._fail(RelayClosed("the relay was closed"))

    def _is_finished(self, broker: BrokerProcess) -> bool:
        """Whether to end every process; tells the broker to drain first."""
        drain_s = self._drain_s
        if drain_s is None:
            return False
        if drain_s != self._told_drain_s:
            self._told_drain_s = drain_s
            self._end_at = min(self._end_at, time.monotonic() + drain_s + DRAIN_GRACE_S)
            self._tell(messages.DrainRelay(drain_s))
        return self._drained or broker.ready is None or time.monotonic() >= self._end_at

    def _start_due(self, broker: BrokerProcess, folder: RunFolder, now: float) -> None:
        """Starts the processes whose time has come."""
        if self._drain_s is not None:
            return
        slots = self._local.slots
        folder.make_again_if_removed()
        if broker.start_due(slots.stages.values(), now):
            self._tell(messages.Attach(slots.desired()))
        address = broker.replica_address
        if address is not None:
            log_folder = folder.path if self._quiet else None
            self._local.start_due(Launch(address, self._plan.config.keys, self._weights, log_folder), now)

    def _wait(self, broker: BrokerProcess, wake_fd: int, now: float) -> None:
        """Waits for a message, the end of a process, a call, or the next thing that is due."""
        poller = zmq.Poller()
        for source in (self._control, wake_fd, *broker.exit_fds(), *self._local.exit_fds()):
            poller.register(source, zmq.POLLIN)
        events = (broker.next_event_at(now), self._local.next_event_at(now))
        due_at = min(self._end_at, now + CHECK_S, *events)
        poller.poll(math.ceil(max(0.0, due_at - time.monotonic()) * 1000))
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(wake_fd)

    def _receive(self, decode: Callable[[bytes], messages.ToSupervisor], frame: bytes, broker: BrokerProcess) -> None:
        """Handles a message. One that cannot be read or handled is logged, and ends nothing."""
        broker.heard(time.monotonic())
        try:
            self._handle(decode(frame), broker)
        except Exception:
            logger.exception("the supervisor could not handle a message of the broker")

    def _handle(self, message: messages.ToSupervisor, broker: BrokerProcess) -> None:
        match message:
            case messages.BrokerHeartbeat():
                pass  # any message shows that the broker runs
            case messages.BrokerReady():
                broker.became_ready(message, time.monotonic())
                self._local.report_stages_down()  # this broker has not heard of them
                if self._plan.config.listen_replicas != PRIVATE:
                    logger.info("replicas connect to %s", message.replicas)
            case messages.ReplicaStatus():
                self._update(message, time.monotonic())
            case messages.DeathsExplained(replicas):
                self._local.deaths_explained(replicas, time.monotonic())
            case messages.ForwardedScale(client, call, stage, replicas):
                error = self._local.resize(stage, replicas, time.monotonic())
                self._tell(messages.ForwardedScaleReply(client, call, error, self._local.slots.desired()))
            case messages.StageLoads(loads):
                self._autoscale(loads, time.monotonic())
            case messages.RelayDrained():
                self._drained = True

    def _update(self, status: messages.ReplicaStatus, now: float) -> None:
        if self._local.update(status, now):
            return
        if not self._local.has_ended(status.replica):
            self._remote.update(status, now)
        elif status.state != "dead":  # a new broker got its last message after the old one was told of its end
            self._tell(messages.ReplicaGone(status.replica, "it ended while the broker was away"))

    def _look_after(self, broker: BrokerProcess, now: float) -> None:
        """Replaces what has ended, and lets go of what is past a limit."""
        closing = self._drain_s is not None
        broker.kill_if_silent(now)
        if error := broker.clear_ended(now, closing=closing):
            self._fail(error)
        self._local.clear_ended(now, closing=closing)
        self._local.enforce_limits(broker.listening_since(now), now)
        for gone in self._remote.newly_lost(broker.listening_since(now), now):
            logger.warning("the remote replica %s is lost: %s", gone.replica, gone.cause)
            self._tell(gone)
        if self._autoscalers and now >= self._check_loads_at:
            self._check_loads_at = now + CHECK_S
            self._tell(messages.GetLoads())

    def _autoscale(self, loads: Iterable[messages.StageLoad], now: float) -> None:
        """Resizes the stages that scale by themselves as their load asks."""
        slots = self._local.slots
        for load in loads:
            autoscaler, desired = self._autoscalers.get(load.stage), slots.desired()[load.stage]
            if autoscaler is None or self._local.is_given_up(load.stage) or self._drain_s is not None:
                continue
            wanted = autoscaler.decide(load, desired, now)
            if wanted == desired:
                continue
            if error := self._local.resize(load.stage, wanted, now):
                logger.warning("%s stays at %d replicas: %s", load.stage, desired, error)
            else:
                logger.info("%s: %d replicas become %d", load.stage, desired, wanted)
                self._tell(messages.DesiredReplicas(slots.desired()))

    def _fail(self, error: RelayError) -> None:
        """Ends the wait in `start` with the error, unless there was one before."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def _tell(self, message: messages.FromSupervisor) -> None:
        self._control.send(codec.encode(message))
