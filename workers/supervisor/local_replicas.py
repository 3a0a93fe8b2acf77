"""Replicas that the supervisor runs on this machine: it starts, replaces, drains and ends their processes.

What to do is decided by `restart_policy` and `health_policy`; this carries it out.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import signal
from collections.abc import Callable, Collection

import psutil

from errors import ConfigError, RelayError, StageFailed
from workers.plan import Plan
from workers.processes.child import Child, end_together
from workers.supervisor.health_policy import HealthPolicy
from workers.supervisor.replica_view import ReplicaView
from workers.supervisor.restart_policy import RestartPolicy
from workers.supervisor.slot import Launch, Slot
from workers.supervisor.slots import Slots
from workers.wire import messages

logger = logging.getLogger("relevo.supervisor")

QUIET_S = 2.0  # of silence, two heartbeats: from then on the CPU time tells whether a replica computes


class LocalReplicas:
    """The replicas of a plan's slots. All of it belongs to the supervisor's thread; times are monotonic seconds."""

    def __init__(
        self,
        plan: Plan,
        health: dict[str, HealthPolicy],
        tell: Callable[[messages.FromSupervisor], None],
        fail: Callable[[RelayError], None],
    ) -> None:
        """Starts nothing.

        Args:
            plan: how many replicas each stage has, and with which resources.
            health: the limits of each stage.
            tell: sends a message to the broker.
            fail: takes why the relay cannot become ready.
        """
        self.slots = Slots(plan)
        self._health = health
        self._tell, self._fail = tell, fail
        self._restarts = {stage.name: RestartPolicy(plan.config.deaths_per_minute) for stage in plan.stages}
        self._ended_names: set[str] = set()

    def is_given_up(self, stage: str) -> bool:
        """Whether no replica of the stage is started any more."""
        return bool(self._restarts[stage].given_up)

    def has_ended(self, replica: str) -> bool:
        """Whether one of this name has run here and ended."""
        return replica in self._ended_names

    def views(self) -> list[ReplicaView]:
        """The public state of each."""
        return [slot.view() for slot in self.slots]

    def exit_fds(self) -> list[int]:
        """Descriptors that become readable when a process ends."""
        return [slot.child.exit_fd for slot in self.slots if slot.child is not None]

    def next_event_at(self, now: float) -> float:
        """When the next slot is due or the next stuck replica is to be killed; infinity if neither is foreseen.

        A slot that was due before `now` waits for something other than the time.
        """
        starts = (self._start_at(slot) for slot in self.slots if slot.child is None)
        return min((at for at in (*starts, *(slot.kill_at for slot in self.slots)) if at > now), default=math.inf)

    def start_due(self, launch: Launch, now: float) -> None:
        """Fills the slots that are due, side by side as far as memory allows; one replica may always load."""
        for slot in self.slots:
            if slot.child is not None or self._start_at(slot) > now:
                continue
            loading = self.slots.loading_bytes()
            if not loading or loading + slot.stage.replica_bytes <= psutil.virtual_memory().available:
                self._start(slot, launch, now)

    def update(self, status: messages.ReplicaStatus, now: float) -> bool:
        """Takes in what a replica said; returns whether it is one of these."""
        slot = self.slots.of(status.replica)
        if slot is None:
            return False
        slot.update(status, now)
        stage = slot.stage.name
        restarts = self._restarts[stage]
        if status.state == "ready":
            self._check_memory_limit(slot)
        if status.state in ("ready", "busy") and restarts.became_ready(slot.number):
            self._report_up(stage)
        if status.fatal and not restarts.given_up:
            restarts.give_up(slot.number, status.reason, now)
            self._report_given_up(stage)
        return True

    def deaths_explained(self, replicas: Collection[str], now: float) -> None:
        """Takes in that one request explains why these replicas died."""
        for stage, restarts in self._restarts.items():
            if restarts.explained(replicas, now):
                self._report_up(stage)

    def report_stages_down(self) -> None:
        """Tells a broker which stages are given up."""
        for stage, restarts in self._restarts.items():
            if restarts.given_up:
                self._tell(messages.StageDown(stage, restarts.given_up))

    def clear_ended(self, now: float, *, closing: bool) -> None:
        """Clears the slots whose process has ended and sets when they are filled again, unless the relay closes."""
        for slot in self.slots:
            if slot.child is not None and slot.child.ended():
                self._clear(slot, slot.child, now, closing)
        for slot in self.slots.remove_surplus():
            self._restarts[slot.stage.name].forget(slot.number)

    def enforce_limits(self, listening_since: float, now: float) -> None:
        """Kills the silent and the stuck, and drains what is surplus or needs too much memory.

        The broker listens since `listening_since`.
        """
        for slot in self.slots:
            if slot.child is None:
                continue
            if now >= slot.kill_at:
                slot.child.signal(signal.SIGKILL)
            elif slot.kill_at == math.inf and (why := self._unhealthy(slot, listening_since, now)):
                logger.warning("%s is stuck (%s); its stacks go to its log", slot.name, why)
                slot.kill_with_stacks(why, now)
            elif slot.serving and (why := self._health[slot.stage.name].over_memory(slot.rss_bytes)):
                logger.warning("%s uses %s; another replaces it", slot.name, why)
                slot.cause = "memory"
                self._drain(slot)
            elif slot.serving and slot.surplus and self.slots.enough_without(slot):
                self._drain(slot)

    def resize(self, stage: str, replicas: int, now: float) -> str:
        """Changes the number of a stage's replicas; returns why that cannot be, or an empty text.

        New replicas load beside the old ones, which drain once the new are ready. A stage that was given up is tried.
        """
        try:
            self.slots.resize(stage, replicas)
        except ConfigError as error:
            return str(error)
        self._restarts[stage].try_now(now)
        return ""

    def end(self) -> None:
        """Ends every process."""
        end_together([slot.child for slot in self.slots if slot.child])

    def _start_at(self, slot: Slot) -> float:
        return self._restarts[slot.stage.name].start_at(slot.number)

    def _unhealthy(self, slot: Slot, listening_since: float, now: float) -> str:
        health = self._health[slot.stage.name]
        if slot.loading:
            return health.slow_to_load(slot.started_at, now)
        if now - slot.heard_at > QUIET_S:
            slot.look_at_cpu(now)
        silent = health.silent(max(slot.heard_at, slot.computing_at), listening_since, now)
        return silent or health.stuck(max(slot.busy_s, now - max(slot.heard_at, listening_since)))

    def _clear(self, slot: Slot, child: Child, now: float, closing: bool) -> None:
        stage, ended = slot.stage.name, slot.clear(child)
        self._ended_names.add(slot.name)
        self._tell(messages.ReplicaGone(slot.name, ended.reason, ended.log_tail))
        if closing:
            return
        if ended.expected:
            self._restarts[stage].left(slot.number)
        else:
            self._died(slot, ended.reason, now)
        if not slot.surplus and not self.is_given_up(stage):
            self._tell(messages.ReplicaRestarting(stage, ended.cause))

    def _check_memory_limit(self, slot: Slot) -> None:
        """Ignores a memory limit that a warm replica exceeds before it has worked: recycling would never end."""
        stage = slot.stage.name
        if slot.warm_bytes and (why := self._health[stage].over_memory(slot.warm_bytes)):
            logger.error(
                "%s is warm and uses %s: memory_limit_mb is below what the model needs, and is ignored; raise it",
                slot.name,
                why,
            )
            self._health[stage] = dataclasses.replace(self._health[stage], memory_limit_mb=None)

    def _start(self, slot: Slot, launch: Launch, now: float) -> None:
        """Fills a slot. If no process can be started, that counts as a death."""
        try:
            slot.start(launch, now)
        except OSError as error:
            self._died(slot, f"it cannot be started: {error}", now)

    def _died(self, slot: Slot, reason: str, now: float) -> None:
        stage = slot.stage.name
        restarts = self._restarts[stage]
        was_given_up = bool(restarts.given_up)
        restarts.died(slot.number, slot.name, reason, now)
        if restarts.given_up and not was_given_up:
            self._report_given_up(stage)
            return
        delay_s = restarts.start_at(slot.number) - now
        if delay_s < math.inf:
            logger.warning("%s: %s; starting another in %.0f s", slot.name, reason, delay_s)

    def _drain(self, slot: Slot) -> None:
        slot.draining = True
        self._tell(messages.DrainReplica(slot.name))

    def _report_up(self, stage: str) -> None:
        logger.warning("stage %s runs again", stage)
        self._tell(messages.StageUp(stage))

    def _report_given_up(self, stage: str) -> None:
        reason = self._restarts[stage].given_up
        logger.error("stage %s is given up: %s", stage, reason)
        self._tell(messages.StageDown(stage, reason))
        self._fail(StageFailed(f"stage {stage} cannot run: {reason}"))
