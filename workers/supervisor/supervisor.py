"""Starts the broker and the replicas, replaces the dead and the stuck, changes their number, and ends them all.

Restart policy: a replica that dies comes back after 1, 2, 4 … 30 seconds; a stage whose replicas die five times
within a minute is given up, with the reason; so is one whose model cannot be loaded for a reason that a restart
does not mend. The broker comes back at once, on the same addresses.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil
import zmq

from errors import AddressInUse, RelayClosed, RelayError, StageFailed
from workers.plan import Plan
from workers.processes.child import Child, end_together
from workers.supervisor.autoscaling import Autoscaler
from workers.supervisor.broker_process import Addresses, ipc_address, start_broker
from workers.supervisor.remote_replicas import RemoteReplicas
from workers.supervisor.slot import DUMP_S, Slot, SlotView
from workers.supervisor.slots import Slots
from workers.wire import codec, messages

logger = logging.getLogger("relevo.supervisor")

DEATHS_WITHIN_S = 60.0
END_S = 5.0  # how long a process may take to end by itself
LOOK_S = 1.0  # how often to look for stuck and outgrown replicas
IPC_PATH_LIMIT = 100  # of 107 bytes that a socket's path may have


class Supervisor:
    """A thread that keeps a plan's processes alive."""

    def __init__(self, plan: Plan, weights: Path | None = None, quiet: bool = True) -> None:
        """Prepares; nothing runs before `start`.

        Args:
            plan: what to run.
            weights: folder that holds the models, instead of the cache.
            quiet: keep the processes' logs in files of the run's folder instead of our standard error.
        """
        self._plan, self._weights, self._quiet = plan, weights, quiet
        self._slots = Slots(plan)
        self._deaths: dict[str, deque[float]] = {stage.name: deque() for stage in plan.stages}
        self._given_up: dict[str, str] = {}
        self._remotes = RemoteReplicas({stage.name: stage.config.stuck_after_s for stage in plan.stages})
        self._autoscalers = {
            stage.name: Autoscaler(stage.config.autoscale) for stage in plan.stages if stage.config.autoscale
        }
        self._measure_at = 0.0
        self._buried: set[str] = set()  # a late word of theirs is not a remote replica's
        self._broker: Child | None = None
        self._broker_ready: messages.BrokerReady | None = None
        self._folder = Path()
        self._changed = threading.Condition(threading.RLock())
        self._error: RelayError | None = None
        self._drain_s: float | None = None  # set once it shall end
        self._end_at = math.inf
        self._closed = False
        self._wake_reader, self._wake_writer = os.pipe()
        self._thread = threading.Thread(target=self._run, name="supervisor")

    # what the pipeline calls

    def start(self, on_change: Callable[[list[SlotView]], None] | None = None) -> None:
        """Starts every process and returns once every stage has a warmed replica.

        Args:
            on_change: called with the replicas whenever one of them changes meanwhile.

        Raises:
            AddressInUse: the address to listen on is taken.
            StageFailed: a stage cannot be brought up; says why.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="relevo-"))
        if len(str(self._folder)) > IPC_PATH_LIMIT:
            raise RelayError(f"the path {self._folder} is too long for a socket; set TMPDIR to a shorter folder")
        self._thread.start()
        with self._changed:
            while self._error is None and not self._is_ready():
                self._changed.wait()
                if on_change is not None:
                    on_change(self.replicas())
            if self._error is not None:
                raise self._error

    def stop(self, drain_s: float) -> None:
        """Refuses new requests, lets accepted ones finish for at most `drain_s`, and ends every process."""
        self._drain_s = drain_s
        os.write(self._wake_writer, b"w")
        if self._thread.ident is not None:
            self._thread.join()
        os.close(self._wake_writer)
        os.close(self._wake_reader)
        if self._folder != Path():
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def address(self) -> str:
        """Where clients dial in."""
        if self._broker_ready is None:
            raise RelayClosed("the relay has not started; call start() first")
        return self._broker_ready.clients

    @property
    def replica_address(self) -> str:
        """Where replicas dial in."""
        if self._broker_ready is None:
            raise RelayClosed("the relay has not started; call start() first")
        return self._broker_ready.replicas

    @property
    def metrics_url(self) -> str | None:
        """Where Prometheus scrapes, or None when no metrics are served."""
        address = self._broker_ready.metrics if self._broker_ready else ""
        return f"http://{address}/metrics" if address else None

    def replicas(self) -> list[SlotView]:
        """The replicas as they stand now, the remote ones without a process id."""
        with self._changed:
            return [*(slot.view() for slot in self._slots), *self._remotes.views()]

    @property
    def broker_pid(self) -> int | None:
        """Process id of the broker."""
        broker = self._broker
        return broker.pid if broker else None

    def _is_ready(self) -> bool:
        return self._slots.serving() | self._remotes.serving_stages() == set(self._slots.stages)

    # the thread

    def _run(self) -> None:
        context: zmq.Context[Any] = zmq.Context()
        self._control = context.socket(zmq.DEALER)
        self._control.setsockopt(zmq.LINGER, 0)
        self._decode = codec.decoder(messages.ToSupervisor)
        try:
            self._control.connect(ipc_address(self._folder, "control"))
            config = self._plan.config
            self._start_broker(Addresses(config.listen, config.listen_replicas, config.metrics))
            while not self._finished():
                self._start_due()
                self._wait()
                with self._changed:
                    self._replace_dead()
                    self._look_after()
                    self._changed.notify_all()
        except Exception as error:
            logger.exception("the supervisor failed")
            self._fail(RelayError(f"the supervisor failed: {error}"))
        finally:
            self._end_children()
            context.destroy()
            self._fail(RelayClosed("the relay was closed"))

    def _finished(self) -> bool:
        if self._drain_s is None:
            return False
        if self._end_at == math.inf:
            self._end_at = time.monotonic() + self._drain_s + DUMP_S
            self._tell(messages.DrainRelay(self._drain_s))
        return self._closed or self._broker_ready is None or time.monotonic() >= self._end_at

    def _wait(self) -> None:
        """Waits for a message, the end of a process, a call, or the next thing that is due."""
        poller = zmq.Poller()
        poller.register(self._control, zmq.POLLIN)
        poller.register(self._wake_reader, zmq.POLLIN)
        for child in (self._broker, *(slot.child for slot in self._slots)):
            if child is not None:
                poller.register(child.exit_fd, zmq.POLLIN)
        starts = (s.start_at for s in self._slots if s.child is None and s.stage.name not in self._given_up)
        due_at = min(self._end_at, time.monotonic() + LOOK_S, *starts, *(slot.kill_at for slot in self._slots))
        ready = dict(poller.poll(math.ceil(max(0.0, due_at - time.monotonic()) * 1000)))
        if self._wake_reader in ready:
            os.read(self._wake_reader, 4096)
        while self._control.poll(0):
            self._take(self._decode(self._control.recv()))

    def _take(self, message: messages.ToSupervisor) -> None:
        with self._changed:
            match message:
                case messages.BrokerReady():
                    self._broker_ready = message
                    if self._plan.config.listen_replicas != "ipc":
                        logger.info("replicas dial in at %s", message.replicas)
                case messages.ReplicaStatus():
                    self._note(message)
                case messages.ForwardedScale(client, call, stage, replicas):
                    error = self._slots.resize(stage, replicas)
                    self._tell(messages.ForwardedScaleReply(client, call, error, self._slots.desired()))
                case messages.StageLoads(loads):
                    self._autoscale(loads, time.monotonic())
                case messages.RelayDrained():
                    self._closed = True

    def _note(self, status: messages.ReplicaStatus) -> None:
        slot = self._slots.of(status.replica)
        if slot is not None:
            slot.note(status)
            if status.fatal:
                self._give_up(status.stage, status.reason)
        elif status.replica not in self._buried:
            self._remotes.note(status, time.monotonic())
        elif status.state != "dead":  # its last message reached a new broker after its end was told to the old one
            self._tell(messages.ReplicaGone(status.replica, "it ended while the broker was away"))

    # starting

    def _start_broker(self, addresses: Addresses) -> None:
        log = self._folder / "broker.log" if self._quiet else None
        stages = self._slots.stages.values()
        self._broker = start_broker(self._plan.config, stages, self._folder, addresses, log)
        self._tell(messages.Attach(self._slots.desired()))

    def _start_due(self) -> None:
        """Fills the places that are due, side by side as far as memory allows; one may always load."""
        address = self._dial_address()
        if address is None or self._drain_s is not None:
            return
        for slot in self._slots:
            due = slot.child is None and slot.start_at <= time.monotonic() and slot.stage.name not in self._given_up
            if not due:
                continue
            loading = self._slots.loading_bytes()
            if loading and loading + slot.stage.replica_bytes > psutil.virtual_memory().available:
                slot.start_at = time.monotonic() + LOOK_S
                continue
            with self._changed:
                log_folder = self._folder if self._quiet else None
                slot.start(address, self._plan.config.keys, self._weights, log_folder)

    def _dial_address(self) -> str | None:
        """Where replicas dial in. A private socket's path is known before the broker listens, and dialling waits."""
        if self._plan.config.listen_replicas == "ipc":
            return ipc_address(self._folder, "replicas")
        return self._broker_ready.replicas if self._broker_ready else None

    # replacing

    def _replace_dead(self) -> None:
        if self._broker is not None and self._broker.ended():
            self._replace_broker(self._broker)
        for slot in self._slots:
            if slot.child is not None and slot.child.ended():
                self._bury(slot, slot.child)
        self._slots.forget_surplus()

    def _replace_broker(self, broker: Child) -> None:
        cause = broker.cause_of_death()
        broker.close()
        self._broker = None
        if self._broker_ready is None:
            self._fail(AddressInUse(broker.last_line()) if "use" in cause else RelayError(f"the broker {cause}"))
        elif self._drain_s is None:
            logger.warning("the broker %s; starting it again", cause)
            before = self._broker_ready
            self._start_broker(Addresses(before.clients, before.replicas, before.metrics or None))

    def _bury(self, slot: Slot, child: Child) -> None:
        expected, restart = slot.leaving, slot.ended_as or child.ended_as()
        cause, log_tail = slot.bury(child)
        self._buried.add(slot.name)
        self._tell(messages.ReplicaGone(slot.name, cause, log_tail))
        stage, now = slot.stage.name, time.monotonic()
        if self._drain_s is not None or stage in self._given_up:
            return
        if not expected:
            logger.warning("%s: %s; starting another in %.0f s", slot.name, cause, slot.start_at - now)
            deaths = self._deaths[stage]
            deaths.append(now)
            while deaths[0] < now - DEATHS_WITHIN_S:
                deaths.popleft()
            if len(deaths) >= self._plan.config.deaths_per_minute:
                self._give_up(stage, f"{len(deaths)} deaths in {DEATHS_WITHIN_S:.0f} s, the last: {cause}")
                return
        if not slot.surplus:
            self._tell(messages.ReplicaRestarting(stage, restart))

    def _give_up(self, stage: str, reason: str) -> None:
        if stage in self._given_up:
            return
        self._given_up[stage] = reason
        logger.error("stage %s is given up: %s", stage, reason)
        self._tell(messages.StageDown(stage, reason))
        self._fail(StageFailed(f"stage {stage} cannot run: {reason}"))

    def _look_after(self) -> None:
        """Kills what is stuck, and lets go of what is surplus, has outgrown its memory limit, or is out of reach."""
        now = time.monotonic()
        if self._autoscalers and now >= self._measure_at:
            self._measure_at = now + LOOK_S
            self._tell(messages.GetLoads())
        for gone in self._remotes.lost(now, self._plan.config.heartbeat_timeout_s):
            logger.warning("the remote replica %s is taken for gone: %s", gone.replica, gone.cause)
            self._tell(gone)
        for slot in self._slots:
            if slot.child is None:
                continue
            if now >= slot.kill_at:
                slot.child.signal(signal.SIGKILL)
            elif slot.kill_at == math.inf and (why := slot.stuck(now, self._plan.config.heartbeat_timeout_s)):
                logger.warning("%s is stuck (%s); its stacks go to its log", slot.name, why)
                slot.end_stuck(why, now)
            elif slot.serving and slot.over_memory():
                logger.warning("%s has outgrown its memory limit with %d MiB", slot.name, slot.rss_bytes >> 20)
                slot.ended_as = "memory"
                self._retire(slot)
            elif slot.serving and slot.surplus and self._slots.enough_without(slot):
                self._retire(slot)

    def _retire(self, slot: Slot) -> None:
        slot.leaving = True
        self._tell(messages.DrainReplica(slot.name))

    def _autoscale(self, loads: Iterable[messages.StageLoad], now: float) -> None:
        """Gives the stages that scale by themselves what their load asks for."""
        for load in loads:
            autoscaler, desired = self._autoscalers.get(load.stage), self._slots.desired()[load.stage]
            if autoscaler is None or load.stage in self._given_up or self._drain_s is not None:
                continue
            wanted = autoscaler.decide(load, desired, now)
            if wanted == desired:
                continue
            if error := self._slots.resize(load.stage, wanted):
                logger.warning("%s stays at %d replicas: %s", load.stage, desired, error)
            else:
                logger.info("%s: %d replicas become %d", load.stage, desired, wanted)
                self._tell(messages.DesiredReplicas(self._slots.desired()))

    # ending

    def _end_children(self) -> None:
        """Ends the replicas, then the broker, which they tell that they leave."""
        end_together([slot.child for slot in self._slots if slot.child], END_S)
        end_together([self._broker] if self._broker else [], END_S)

    def _fail(self, error: RelayError) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def _tell(self, message: messages.FromSupervisor) -> None:
        self._control.send(codec.encode(message))
