"""Starts the broker and the replicas, replaces the dead and the stuck, and ends them all.

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
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import zmq

from errors import AddressInUse, RelayClosed, RelayError, StageFailed
from workers import wire
from workers.broker import BrokerSettings
from workers.child import Child
from workers.plan import Plan, StageLayout
from workers.replica import ReplicaSpec
from workers.scheduler import StagePlan

logger = logging.getLogger("relevo.supervisor")

BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
DEATHS_TO_GIVE_UP = 5
DEATHS_WITHIN_S = 60.0
DUMP_S = 1.0  # between asking a stuck replica for its stacks and killing it
END_S = 5.0  # how long a process may take to end by itself
IPC_PATH_LIMIT = 100  # of 107 bytes that a socket's path may have


@dataclass(eq=False, slots=True)
class Slot:
    """The place of one replica, filled again when it dies."""

    stage: StageLayout
    number: int
    device: str
    child: Child | None = None
    name: str = ""
    starts: int = 0
    state: wire.ReplicaState = "dead"
    busy_s: float = 0.0
    rss_bytes: int = 0
    reason: str = ""  # what the replica itself said of its end
    started_at: float = 0.0
    seen_at: float = 0.0
    start_at: float = 0.0  # when to start it next
    kill_at: float = math.inf
    failures: int = 0  # deaths since it last became ready


@dataclass(frozen=True, slots=True)
class SlotView:
    """What others may know of a replica."""

    stage: str
    name: str
    pid: int | None
    state: wire.ReplicaState
    rss_bytes: int
    starts: int


@dataclass(slots=True)
class _Deaths:
    times: deque[float] = field(default_factory=deque)
    given_up: str = ""


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
        self._slots = [
            Slot(stage, number, device) for stage in plan.stages for number, device in enumerate(stage.devices)
        ]
        self._deaths = {stage.name: _Deaths() for stage in plan.stages}
        self._broker: Child | None = None
        self._overseen: wire.Overseen | None = None
        self._folder = Path()
        self._lock = threading.Condition(threading.RLock())
        self._error: RelayError | None = None
        self._closing_within_s: float | None = None
        self._closed = False
        self._abort_at = math.inf
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_writer, False)
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
        with self._lock:
            while self._error is None and not self._is_ready():
                self._lock.wait()
                if on_change is not None:
                    on_change(self.replicas())
            if self._error is not None:
                raise self._error

    def stop(self, drain_s: float) -> None:
        """Refuses new requests, lets accepted ones finish for at most `drain_s`, and ends every process."""
        with self._lock:
            self._closing_within_s = drain_s
        self._wake()
        if self._thread.ident is not None:
            self._thread.join()
        os.close(self._wake_writer)
        os.close(self._wake_reader)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def address(self) -> str:
        """Where clients dial in."""
        if self._overseen is None:
            raise RelayClosed("the relay has not started; call start() first")
        return self._overseen.clients

    def replicas(self) -> list[SlotView]:
        """The replicas as they stand now."""
        with self._lock:
            return [
                SlotView(s.stage.name, s.name, s.child.pid if s.child else None, s.state, s.rss_bytes, s.starts)
                for s in self._slots
            ]

    @property
    def broker_pid(self) -> int | None:
        """Process id of the broker."""
        broker = self._broker
        return broker.pid if broker else None

    def _is_ready(self) -> bool:
        return all(
            any(slot.state in ("ready", "busy") for slot in self._slots if slot.stage is stage)
            for stage in self._plan.stages
        )

    # the thread

    def _run(self) -> None:
        context: zmq.Context[Any] = zmq.Context()
        control = context.socket(zmq.DEALER)
        control.setsockopt(zmq.LINGER, 0)
        self._control = control
        self._decode = wire.decoder(wire.ToSupervisor)
        try:
            control.connect(self._address_of("control"))
            self._start_broker(self._plan.config.listen)
            while not self._finished():
                self._start_due()
                self._wait(control)
                self._replace_dead()
                self._kill_stuck()
        except Exception as error:
            logger.exception("the supervisor failed")
            self._fail(RelayError(f"the supervisor failed: {error}"))
        finally:
            self._end_children()
            context.destroy()
            self._fail(RelayClosed("the relay was closed"))

    def _finished(self) -> bool:
        if self._closing_within_s is not None and self._abort_at == math.inf:
            self._abort_at = time.monotonic() + self._closing_within_s + DUMP_S
            self._tell(wire.Close(self._closing_within_s))
        no_broker = self._closing_within_s is not None and self._overseen is None
        return self._closed or no_broker or time.monotonic() >= self._abort_at

    def _wait(self, control: zmq.Socket[bytes]) -> None:
        """Waits for a message, the end of a process, a call, or the next thing that is due."""
        poller = zmq.Poller()
        poller.register(control, zmq.POLLIN)
        poller.register(self._wake_reader, zmq.POLLIN)
        for child in (self._broker, *(slot.child for slot in self._slots)):
            if child is not None:
                poller.register(child.exit_fd, zmq.POLLIN)
        ready = dict(poller.poll(math.ceil(max(0.0, min(self._next_due_at() - time.monotonic(), 1.0)) * 1000)))
        if self._wake_reader in ready:
            os.read(self._wake_reader, 4096)
        while control.poll(0):
            self._take(self._decode(control.recv()))

    def _next_due_at(self) -> float:
        starts = (s.start_at for s in self._slots if s.child is None and not self._deaths[s.stage.name].given_up)
        return min(self._abort_at, *starts, *(slot.kill_at for slot in self._slots), math.inf)

    def _take(self, message: wire.ToSupervisor) -> None:
        match message:
            case wire.Overseen():
                with self._lock:
                    self._overseen = message
            case wire.Standing():
                self._note(message)
            case wire.Closed():
                self._closed = True

    def _note(self, standing: wire.Standing) -> None:
        slot = next((slot for slot in self._slots if slot.name == standing.replica), None)
        if slot is None or slot.child is None:
            return
        with self._lock:
            slot.state, slot.seen_at = standing.state, time.monotonic()
            slot.busy_s = standing.busy_s
            slot.rss_bytes = standing.rss_bytes or slot.rss_bytes
            slot.reason = standing.reason or slot.reason
            if standing.state in ("ready", "busy"):
                slot.failures = 0
            self._lock.notify_all()
        if standing.fatal:
            self._give_up(slot.stage.name, standing.reason)

    # starting

    def _start_broker(self, listen: str) -> None:
        plan = self._plan
        settings = BrokerSettings(
            clients=self._address_of("clients") if listen == "ipc" else listen,
            replicas=self._address_of("replicas"),
            control=self._address_of("control"),
            accepts="audio" if plan.accepts.__name__ == "Audio" else "text",
            max_attempts=plan.config.max_attempts,
            stages=[_stage_plan(stage) for stage in plan.stages],
            specs={stage.name: _spec(stage, plan.config.seed) for stage in plan.stages},
        )
        file = self._folder / "broker.msgpack"
        file.write_bytes(msgspec.msgpack.encode(settings))
        self._broker = Child("workers.broker", ["--settings", str(file)], self._log("broker"))
        self._tell(wire.Oversee({stage.name: stage.replicas for stage in plan.stages}))

    def _start_due(self) -> None:
        if self._overseen is None or self._closing_within_s is not None:
            return
        now = time.monotonic()
        for slot in self._slots:
            if slot.child is None and slot.start_at <= now and not self._deaths[slot.stage.name].given_up:
                self._start_replica(slot, self._overseen.replicas)

    def _start_replica(self, slot: Slot, address: str) -> None:
        name = f"{slot.stage.name}-{slot.number}.{slot.starts}"
        arguments = ["--stage", slot.stage.name, "--connect", address, "--name", name]
        arguments += ["--threads", str(slot.stage.threads), "--device", slot.device]
        if self._weights is not None:
            arguments += ["--weights", str(self._weights)]
        child = Child("workers.replica", arguments, self._log(name))
        with self._lock:
            slot.child, slot.name, slot.state, slot.reason = child, name, "starting", ""
            slot.starts += 1
            slot.started_at = slot.seen_at = time.monotonic()
            slot.busy_s, slot.kill_at = 0.0, math.inf

    def _address_of(self, role: str) -> str:
        return f"ipc://{self._folder / role}"

    def _log(self, name: str) -> Path | None:
        return self._folder / f"{name}.log" if self._quiet else None

    # replacing

    def _replace_dead(self) -> None:
        if self._broker is not None and self._broker.ended():
            self._replace_broker(self._broker)
        for slot in self._slots:
            if slot.child is not None and slot.child.ended():
                self._bury(slot, slot.child)

    def _replace_broker(self, broker: Child) -> None:
        cause = broker.cause_of_death()
        broker.close()
        self._broker = None
        if self._overseen is None:
            self._fail(AddressInUse(broker.last_words()) if "use" in cause else RelayError(f"the broker {cause}"))
        elif self._closing_within_s is None:
            logger.warning("the broker %s; starting it again", cause)
            self._start_broker(self._overseen.clients)

    def _bury(self, slot: Slot, child: Child) -> None:
        cause = slot.reason or child.cause_of_death()
        child.close()
        now = time.monotonic()
        with self._lock:
            slot.child, slot.state, slot.kill_at = None, "dead", math.inf
            slot.start_at = now + BACKOFF_S[min(slot.failures, len(BACKOFF_S) - 1)]
            slot.failures += 1
        self._tell(wire.Gone(slot.name, cause))
        deaths = self._deaths[slot.stage.name]
        if self._closing_within_s is not None or deaths.given_up:
            return
        logger.warning("%s: %s; starting another in %.0f s", slot.name, cause, slot.start_at - now)
        deaths.times.append(now)
        while deaths.times[0] < now - DEATHS_WITHIN_S:
            deaths.times.popleft()
        if len(deaths.times) >= DEATHS_TO_GIVE_UP:
            self._give_up(slot.stage.name, f"{DEATHS_TO_GIVE_UP} deaths in {DEATHS_WITHIN_S:.0f} s, the last: {cause}")

    def _give_up(self, stage: str, reason: str) -> None:
        if self._deaths[stage].given_up:
            return
        self._deaths[stage].given_up = reason
        logger.error("stage %s is given up: %s", stage, reason)
        self._tell(wire.StageDown(stage, reason))
        self._fail(StageFailed(f"stage {stage} cannot run: {reason}"))

    def _kill_stuck(self) -> None:
        """Asks a replica that is stuck for its stacks, which go to its log, and kills it a moment later."""
        now = time.monotonic()
        for slot in self._slots:
            if slot.child is None:
                continue
            if now >= slot.kill_at:
                slot.child.signal(signal.SIGKILL)
                slot.kill_at = math.inf
            elif slot.kill_at == math.inf and (why := self._stuck(slot, now)):
                logger.warning("%s is stuck (%s); its stacks go to its log", slot.name, why)
                slot.reason = f"stuck: {why}"
                slot.child.signal(signal.SIGUSR1)
                slot.kill_at = now + DUMP_S

    def _stuck(self, slot: Slot, now: float) -> str:
        limits = slot.stage.config
        silent_s = now - slot.seen_at
        if slot.state in ("starting", "loading", "warming"):
            load_s = now - slot.started_at
            return f"not ready after {load_s:.0f} s" if load_s > limits.load_timeout_s else ""
        if silent_s > self._plan.config.heartbeat_timeout_s:
            return f"no sign of life for {silent_s:.0f} s"
        if slot.busy_s > limits.stuck_after_s:
            return f"computing for {slot.busy_s:.0f} s without an output"
        return ""

    # ending

    def _end_children(self) -> None:
        """Asks the replicas to end, then the broker, and kills what does not."""
        for group in ([slot.child for slot in self._slots if slot.child], [self._broker] if self._broker else []):
            poller = zmq.Poller()
            for child in group:
                child.signal(signal.SIGTERM)
                poller.register(child.exit_fd, zmq.POLLIN)
            give_up_at = time.monotonic() + END_S
            while any(not child.ended() for child in group) and time.monotonic() < give_up_at:
                for fd, _ in poller.poll(math.ceil((give_up_at - time.monotonic()) * 1000)):
                    poller.unregister(fd)
            for child in group:
                child.close()

    def _fail(self, error: RelayError) -> None:
        with self._lock:
            self._error = self._error or error
            self._lock.notify_all()

    def _tell(self, message: wire.FromSupervisor) -> None:
        self._control.send(wire.encode(message))

    def _wake(self) -> None:
        os.write(self._wake_writer, b"w")


def _stage_plan(stage: StageLayout) -> StagePlan:
    config = stage.config
    return StagePlan(
        name=stage.name,
        module=config.module,
        threads=stage.threads,
        max_batch=config.max_batch,
        max_batch_cost=config.max_batch_cost or math.inf,
        max_wait_s=config.max_wait_ms / 1000,
        queue_items=config.queue_items,
        queue_cost=config.queue_cost or math.inf,
    )


def _spec(stage: StageLayout, seed: int) -> bytes:
    config = stage.config
    return msgspec.json.encode(ReplicaSpec(config.module, config.model, config.options, seed))
