"""Replicas that the supervisor runs on this machine: it starts, replaces, drains and ends their processes.

What to do is decided by `restart_policy` and `health_policy`; this carries it out.
"""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import Callable

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
                slot.start(launch, now)

    def update(self, status: messages.ReplicaStatus, now: float) -> bool:
        """Takes in what a replica said; returns whether it is one of these."""
        slot = self.slots.of(status.replica)
        if slot is None:
            return False
        slot.update(status, now)
        stage = slot.stage.name
        if status.state in ("ready", "busy"):
            self._restarts[stage].became_ready(slot.number)
        if status.fatal and not self.is_given_up(stage):
            self._restarts[stage].give_up(status.reason)
            self._report_given_up(stage)
        return True

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

    def resize(self, stage: str, replicas: int) -> str:
        """Changes the number of a stage's replicas; returns why that cannot be, or an empty text.

        New replicas load beside the old ones, which drain once the new are ready.
        """
        try:
            self.slots.resize(stage, replicas)
        except ConfigError as error:
            return str(error)
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
        return health.silent(slot.heard_at, listening_since, now) or health.stuck(slot.busy_s)

    def _clear(self, slot: Slot, child: Child, now: float, closing: bool) -> None:
        stage, ended = slot.stage.name, slot.clear(child)
        self._ended_names.add(slot.name)
        self._tell(messages.ReplicaGone(slot.name, ended.reason, ended.log_tail))
        if closing or self.is_given_up(stage):
            return
        restarts = self._restarts[stage]
        if ended.expected:
            restarts.left(slot.number)
        else:
            restarts.died(slot.number, ended.reason, now)
            if restarts.given_up:
                self._report_given_up(stage)
                return
            delay_s = restarts.start_at(slot.number) - now
            logger.warning("%s: %s; starting another in %.0f s", slot.name, ended.reason, delay_s)
        if not slot.surplus:
            self._tell(messages.ReplicaRestarting(stage, ended.cause))

    def _drain(self, slot: Slot) -> None:
        slot.draining = True
        self._tell(messages.DrainReplica(slot.name))

    def _report_given_up(self, stage: str) -> None:
        reason = self._restarts[stage].given_up
        logger.error("stage %s is given up: %s", stage, reason)
        self._tell(messages.StageDown(stage, reason))
        self._fail(StageFailed(f"stage {stage} cannot run: {reason}"))
