"""One stage as the scheduler sees it: its plan, its queue, its replicas and its measured rate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from workers.scheduling.service_rate import ServiceRate
from workers.scheduling.stage_queue import StageQueue
from workers.scheduling.stage_replicas import StageReplicas
from workers.wire.messages import StageInfo, StageLoad


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What the scheduler needs to know of a stage; the fields are those of the configuration."""

    name: str
    accepts: Literal["audio", "text"] = "text"
    module: str = ""
    threads: int = 1
    max_batch: int = 1
    max_batch_cost: float = math.inf
    max_wait_s: float = 0.0
    queue_items: int = 64
    queue_cost: float = math.inf


@dataclass(eq=False, slots=True)
class Stage:
    """The state of a stage. `place` counts from 0; `down` says why the stage was given up, and is empty otherwise."""

    plan: StagePlan
    place: int = 0
    queue: StageQueue = field(default_factory=StageQueue)
    replicas: StageReplicas = field(default_factory=StageReplicas)
    service_rate: ServiceRate = field(default_factory=ServiceRate)
    down: str = ""

    def has_room(self, arriving: int = 0) -> bool:
        """Whether the queue takes one more job beside the `arriving` ones."""
        return len(self.queue) + arriving < self.plan.queue_items and self.queue.cost < self.plan.queue_cost

    def fills_batch(self, now: float) -> bool:
        """Whether to wait for more jobs before the next batch is leased."""
        return self._may_fill_batch() and self.queue.oldest_at() + self.plan.max_wait_s > now

    def fills_batch_until(self) -> float:
        """When a batch that waits for more jobs is leased as it is; infinite when none waits."""
        waits = self._may_fill_batch() and self.replicas.has_credit
        return self.queue.oldest_at() + self.plan.max_wait_s if waits else math.inf

    def _may_fill_batch(self) -> bool:
        """Whether the job at the head of the queue may be leased with others that are still to come."""
        head = self.queue.head()
        waits = self.plan.max_wait_s > 0 and len(self.queue) < self.plan.max_batch
        return waits and head is not None and not head.suspect

    def info(self, desired: int) -> StageInfo:
        """What a client may know, with the number of replicas that the supervisor wants."""
        return StageInfo(
            name=self.plan.name,
            module=self.plan.module,
            replicas=desired,
            ready=self.replicas.warm,
            threads=self.plan.threads,
            queued=len(self.queue),
            in_service=self.replicas.in_service,
        )

    def load(self, now: float) -> StageLoad:
        """What the autoscaler needs to know."""
        waited_s = max(0.0, now - self.queue.oldest_at())
        return StageLoad(self.plan.name, self.replicas.warm, self.replicas.busy_s(now), waited_s)


def expected_wait_s(stages: Iterable[Stage]) -> float:
    """How long a request that arrived now would wait for the work before it, by the measured rates, in seconds.

    The longest wait of any stage. The work before a stage is its own queue and leases, and what those of the stages
    before it will become.
    """
    cost = longest = 0.0
    for stage in stages:
        cost += stage.queue.cost + stage.replicas.cost_in_service
        longest = max(longest, cost * stage.service_rate.seconds_per_cost / max(1, stage.replicas.warm))
        cost *= stage.service_rate.cost_out_per_cost
    return longest
