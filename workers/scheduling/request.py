"""A request and its jobs, as the broker keeps them while they are open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from workers.scheduling.path_order import PathOrder
from workers.wire.messages import JobPath, Meta, Priority, Span


@dataclass(eq=False, slots=True)
class Request:
    """An accepted request that has not ended. Times are monotonic seconds of the broker's clock."""

    id: str
    client: bytes
    priority: Priority
    submitted_at: float
    deadline_at: float
    progress: bool
    order: PathOrder[tuple[Meta, Any]]
    jobs: dict[int, Job] = field(default_factory=dict)  # every job that has not ended, queued or leased
    spans: list[Span] = field(default_factory=list)  # by start_s
    silent_s: float | None = 0.0  # silence sent so far; None once an audible sample was sent


@dataclass(eq=False, slots=True)
class Job:
    """One piece of a request at one stage. Nothing in the broker reads `frame`, the payload."""

    id: int
    request: Request
    stage: int
    path: JobPath
    meta: Meta
    frame: Any
    queued_at: float
    attempt: int = 1
    forwarded: int = 0  # outputs passed on to the next stage or the client, by this attempt or an earlier one
    cost_out: float = 0.0  # of those outputs
    replica: str | None = None  # None while the job is queued
    leased_at: float = 0.0
    alone: bool = False  # its latest lease was a batch of one
    suspect: bool = False  # a replica died while it held the job: lease it alone from now on
    died_with: list[str] = field(default_factory=list)  # the replicas that died while they held the job

    def span(self, stage: str, service_s: float, busy_s: float, batch: int) -> Span:
        """The job's times at its stage, once it has ended there; see `Span` for the fields."""
        queue_s = self.leased_at - self.queued_at
        start_s = self.leased_at - self.request.submitted_at
        return Span(stage, self.path, self.attempt, self.replica or "", start_s, queue_s, service_s, busy_s, batch)
