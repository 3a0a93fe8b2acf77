"""The jobs that wait for a stage."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from workers.scheduling.path_order import PathOrder
from workers.wire.messages import JobPath, Meta, Priority, Span

BATCH_TURN = 5  # every so-manieth job handed out comes from the batch class while it waits: no starvation


@dataclass(eq=False, slots=True)
class Request:
    """An accepted request that has not ended. Times are the broker's monotonic clock, in seconds."""

    id: str
    client: bytes
    priority: Priority
    submitted_at: float
    deadline_at: float
    progress: bool
    order: PathOrder[tuple[Meta, Any]]
    jobs: dict[int, Job] = field(default_factory=dict)  # every job that has not ended, queued or in service
    spans: list[Span] = field(default_factory=list)
    silent_s: float | None = 0.0  # how much silence was sent so far; None once something can be heard


@dataclass(eq=False, slots=True)
class Job:
    """One piece of a request at one stage. `frame` is the payload, which nobody here looks into."""

    id: int
    request: Request
    stage: int
    path: JobPath
    meta: Meta
    frame: Any
    queued_at: float
    attempt: int = 1
    forwarded: int = 0  # outputs that went on to the next stage or the client, by this attempt or an earlier one
    cost_out: float = 0.0  # of those outputs
    replica: str | None = None  # None while it is queued
    handed_at: float = 0.0

    def span(self, stage: str, service_s: float, busy_s: float, batch: int) -> Span:
        """What it took at its stage, once it has ended there; see `Span`."""
        queue_s = self.handed_at - self.queued_at
        start_s = self.handed_at - self.request.submitted_at
        return Span(stage, self.path, self.attempt, self.replica or "", start_s, queue_s, service_s, busy_s, batch)


class StageQueue:
    """Jobs in order of arrival, interactive before batch, with their total cost at hand."""

    def __init__(self) -> None:
        self._classes: dict[Priority, OrderedDict[int, Job]] = {"interactive": OrderedDict(), "batch": OrderedDict()}
        self._passed_over = 0
        self.cost = 0.0

    def __len__(self) -> int:
        return sum(map(len, self._classes.values()))

    def push(self, job: Job) -> None:
        """Adds a job at the end."""
        self._classes[job.request.priority][job.id] = job
        self.cost += job.meta.cost

    def push_front(self, job: Job) -> None:
        """Puts a job back that was handed out in vain."""
        self.push(job)
        self._classes[job.request.priority].move_to_end(job.id, last=False)

    def remove(self, job: Job) -> None:
        """Takes out a job whose request has ended."""
        del self._classes[job.request.priority][job.id]
        self.cost = self.cost - job.meta.cost if self else 0.0  # an empty queue costs nothing, whatever was rounded

    def head(self) -> Job | None:
        """The job to hand out next, or None."""
        interactive, batch = self._classes["interactive"], self._classes["batch"]
        first = batch if batch and (not interactive or self._passed_over >= BATCH_TURN - 1) else interactive
        return next(iter(first.values()), None)

    def pop_head(self) -> Job:
        """Takes out the job that `head` shows."""
        job = self.head()
        if job is None:
            raise IndexError("the queue is empty")
        if job.request.priority == "batch" or not self._classes["batch"]:
            self._passed_over = 0
        else:
            self._passed_over += 1
        self.remove(job)
        return job

    def oldest_at(self) -> float:
        """When the job at the head began to wait."""
        job = self.head()
        return job.queued_at if job else float("inf")
