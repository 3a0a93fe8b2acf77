"""The broker's mind: who waits, who works, and how every accepted request comes to exactly one outcome.

Pure: the time is an argument and messages leave through an `Outbox`, so that any order of events can be tried
without a process or a socket.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from workers.observer import Observer
from workers.path_order import PathOrder
from workers.stage_queue import Job, Request, StageQueue
from workers.wire import (
    Abandon,
    Done,
    Drain,
    Event,
    JobDone,
    Load,
    Outcome,
    OutcomeName,
    Output,
    Span,
    StageInfo,
    Started,
    Submit,
    ToClient,
    ToReplica,
    Work,
    WorkItem,
)

SHORTEST_WAIT_S = 0.05  # what a rejected client is told while nothing has been measured yet
CLOSING = "the relay is closing"
SMOOTHING = 0.1  # weight of the newest job in a stage's mean service time


class Outbox(Protocol):
    """Where the scheduler's messages go."""

    def to_client(self, client: bytes, message: ToClient, *frames: Any) -> None:
        """Sends a message to the client that dialled in under this identity."""

    def to_replica(self, replica: str, message: ToReplica, *frames: Any) -> None:
        """Sends a message to a replica."""

    def dead_letter(self, job: Job, stage: str, reason: str, last_words: str) -> None:
        """Keeps what is needed to look into a job that took its replicas down, and to try it again."""


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
class _Replica:
    stage: int
    jobs: dict[int, Job] = field(default_factory=dict)

    def busy_s(self, now: float) -> float:
        """How long it has had its batch in hand."""
        first = next(iter(self.jobs.values()), None)
        return now - first.handed_at if first else 0.0


@dataclass(eq=False, slots=True)
class _Stage:
    plan: StagePlan
    queue: StageQueue = field(default_factory=StageQueue)
    credits: deque[str] = field(default_factory=deque)  # replicas that wait for a batch, longest first
    in_service: int = 0
    warmed: set[str] = field(default_factory=set)
    seconds_per_job: float = 0.0
    busy_s: float = 0.0  # that replicas had batches in hand which they no longer have
    down: str = ""


class Scheduler:
    """Queues, credits and the in-flight table of every stage, and the requests that they belong to."""

    def __init__(
        self,
        stages: list[StagePlan],
        outbox: Outbox,
        max_attempts: int = 3,
        numbers_from: int = 1,
        observer: Observer | None = None,
        keep_spans: bool = True,
    ) -> None:
        self._stages = [_Stage(plan) for plan in stages]
        self._outbox = outbox
        self._observer = observer or Observer()
        self._keep_spans = keep_spans
        self._max_attempts = max_attempts
        self._requests: dict[str, Request] = {}
        self._replicas: dict[str, _Replica] = {}
        self._deadlines: list[tuple[float, int, str]] = []
        self._numbers = itertools.count(numbers_from)
        self._closing = False

    # what clients do

    def submit(self, client: bytes, message: Submit, frame: Any, now: float) -> None:
        """Accepts a request, or ends it at the door. An id that is already here changes only who is told."""
        known = self._requests.get(message.request)
        if known is not None:
            known.client = client
            return
        deadline_at = math.inf if message.deadline_s is None else now + message.deadline_s
        order = PathOrder[Any](len(self._stages))
        request = Request(message.request, client, message.priority, now, deadline_at, message.progress, order)
        refusal = self._refusal(message)
        if refusal is not None:
            self._outbox.to_client(client, Outcome(request.id, *refusal, spans=()))
            self._observer.request_ended(request, refusal[0], now)
            return
        self._requests[request.id] = request
        self._observer.accepted(message.meta)
        if deadline_at < math.inf:
            heapq.heappush(self._deadlines, (deadline_at, next(self._numbers), request.id))
        entry = self._index(message.stage) if message.stage else 0
        for depth in range(entry):  # the stages before were passed elsewhere, with one output each
            order.job_ended((0,) * depth, 1)
        self._enqueue(Job(next(self._numbers), request, entry, (0,) * entry, message.meta, frame, now))
        self._hand_out(now)

    def cancel(self, client: bytes, request_id: str, now: float) -> None:
        """Ends a request of this client as cancelled: its queued jobs leave now, a running one at its next output."""
        request = self._requests.get(request_id)
        if request is not None and request.client == client:
            self._end(request, "cancelled", "cancelled by the client", now)
            self._hand_out(now)

    # what replicas do

    def ready(self, replica_id: str, stage_name: str, now: float) -> None:
        """A replica is warm and idle: one credit. Whatever it had in hand before is handed out again."""
        if replica_id in self._replicas:
            self.gone(replica_id, "joined again", now)
        index = self._index(stage_name)
        self._replicas[replica_id] = _Replica(index)
        self._stages[index].warmed.add(replica_id)
        self._stages[index].credits.append(replica_id)
        self._hand_out(now)

    def output(self, message: Output, frame: Any, now: float) -> bool:
        """Sends an output on. False, and nothing is sent, when the job is not this replica's or its request ended."""
        replica = self._replicas.get(message.replica)
        job = replica.jobs.get(message.job) if replica else None
        if job is None or job.attempt != message.attempt or job.id not in job.request.jobs:
            return False
        if message.index != job.forwarded:
            return message.index < job.forwarded  # a repeat of what an earlier attempt already sent on
        job.forwarded += 1
        request, path = job.request, (*job.path, message.index)
        last = job.stage == len(self._stages) - 1
        if last or message.meta.kind == "text":
            request.order.output(path, (message.meta, frame))
        if last:
            self._release(request, now)
        else:
            self._enqueue(Job(next(self._numbers), request, job.stage + 1, path, message.meta, frame, now))
            self._hand_out(now)  # first, because the next replica waits for it
            self._release(request, now)
        return True

    def done(self, message: Done, now: float) -> None:
        """Ends the jobs of a batch and takes the replica's new credit."""
        replica = self._replicas.get(message.replica)
        if replica is None:
            return
        stage = self._stages[replica.stage]
        share_s = message.batch_s / max(1, len(message.jobs))
        self._observer.batch_ended(replica.stage, len(message.jobs), message.batch_s)
        busy_s = replica.busy_s(now)
        for ended in message.jobs:
            job = replica.jobs.get(ended.job)
            if job is None or job.attempt != ended.attempt:
                continue  # of a lease that this replica lost; it may hold the same job again by now
            del replica.jobs[ended.job]
            stage.in_service -= 1
            stage.seconds_per_job += (share_s - stage.seconds_per_job) * (SMOOTHING if stage.seconds_per_job else 1)
            if job.id in job.request.jobs:
                self._job_ended(job, ended, share_s, len(message.jobs), now)
        if not replica.jobs:
            stage.busy_s += busy_s
        if not replica.jobs and message.replica in stage.warmed and message.replica not in stage.credits:
            stage.credits.append(message.replica)
        self._hand_out(now)

    def _job_ended(self, job: Job, ended: JobDone, share_s: float, batch: int, now: float) -> None:
        request = job.request
        del request.jobs[job.id]
        self._observer.job_ended(job, ended, now)
        if self._keep_spans:
            request.spans.append(
                Span(
                    stage=self._stages[job.stage].plan.name,
                    path=job.path,
                    attempt=job.attempt,
                    replica=job.replica or "",
                    start_s=job.handed_at - request.submitted_at,
                    queue_s=job.handed_at - job.queued_at,
                    service_s=ended.service_s,
                    busy_s=share_s,
                    batch=batch,
                )
            )
        if ended.error:
            self._end(request, "failed", ended.error, now)
        elif ended.expired:
            reason = f"its deadline passed before {self._stages[job.stage].plan.name} began"
            self._end(request, "expired", reason, now)
        else:
            request.order.job_ended(job.path, max(ended.outputs, job.forwarded))
            self._release(request, now)
            if not request.jobs:
                self._end(request, "ok", "", now)

    # what the supervisor says

    def gone(self, replica_id: str, cause: str, now: float, last_words: str = "", *, died: bool = True) -> None:
        """A replica has ended: what it had in hand goes back to the front of the queue, or to the dead letters.

        One that left of its own accord, without having `died`, had not begun it: that is no attempt.
        """
        replica = self._replicas.pop(replica_id, None)
        if replica is None:
            return
        stage = self._stages[replica.stage]
        stage.warmed.discard(replica_id)
        stage.busy_s += replica.busy_s(now)
        if replica_id in stage.credits:
            stage.credits.remove(replica_id)
        for job in reversed(replica.jobs.values()):
            stage.in_service -= 1
            if job.id not in job.request.jobs:
                continue
            if died and job.attempt >= self._max_attempts:
                name = stage.plan.name
                reason = f"{name} died {job.attempt} times under this request, the last time: {cause}"
                self._outbox.dead_letter(job, name, reason, last_words)
                self._end(job.request, "dead_letter", reason, now)
                continue
            job.attempt += died
            job.replica = None
            job.queued_at = now
            stage.queue.push_front(job)
        self._hand_out(now)

    def retire(self, replica_id: str) -> None:
        """Gives a replica no more work and asks it to leave after what it has in hand."""
        replica = self._replicas.get(replica_id)
        if replica is not None:
            stage = self._stages[replica.stage]
            stage.warmed.discard(replica_id)
            if replica_id in stage.credits:
                stage.credits.remove(replica_id)
        self._outbox.to_replica(replica_id, Drain())

    def stage_down(self, stage_name: str, reason: str, now: float) -> None:
        """A stage was given up: what still has to pass it fails now, and new requests are turned away."""
        index = self._index(stage_name)
        self._stages[index].down = f"stage {stage_name} is down: {reason}"
        for request in list(self._requests.values()):
            if any(job.stage <= index for job in request.jobs.values()):
                self._end(request, "failed", self._stages[index].down, now)
        self._hand_out(now)

    def close(self) -> None:
        """Accepts no further request."""
        self._closing = True

    def end_all(self, reason: str, now: float) -> None:
        """Cancels every request that is still here."""
        for request in list(self._requests.values()):
            self._end(request, "cancelled", reason, now)

    # time and state

    def tick(self, now: float) -> None:
        """Ends the requests whose deadline has passed while they wait, and hands out batches that waited enough."""
        while self._deadlines and self._deadlines[0][0] <= now:
            request = self._requests.get(heapq.heappop(self._deadlines)[2])
            if request is not None and all(job.replica is None for job in request.jobs.values()):
                self._end(request, "expired", "its deadline passed while it waited", now)
        self._hand_out(now)

    def next_tick_at(self) -> float:
        """When `tick` is next needed."""
        held = (
            stage.queue.oldest_at() + stage.plan.max_wait_s
            for stage in self._stages
            if stage.credits and stage.queue and stage.plan.max_wait_s
        )
        return min(self._deadlines[0][0] if self._deadlines else math.inf, *held, math.inf)

    @property
    def open_requests(self) -> int:
        """Requests accepted and not yet ended."""
        return len(self._requests)

    @property
    def all_ready(self) -> bool:
        """Whether every stage has a warmed replica."""
        return all(stage.warmed for stage in self._stages)

    def stage_infos(self, desired: dict[str, int]) -> tuple[StageInfo, ...]:
        """The state of every stage, with the number of replicas that the supervisor wants."""
        return tuple(
            StageInfo(
                name=stage.plan.name,
                module=stage.plan.module,
                replicas=desired.get(stage.plan.name, 0),
                ready=len(stage.warmed),
                threads=stage.plan.threads,
                queued=len(stage.queue),
                in_service=stage.in_service,
            )
            for stage in self._stages
        )

    def loads(self, now: float) -> tuple[Load, ...]:
        """How much every stage has to do."""
        busy_s = [stage.busy_s for stage in self._stages]
        for replica in self._replicas.values():
            busy_s[replica.stage] += replica.busy_s(now)
        return tuple(
            Load(stage.plan.name, len(stage.warmed), stage_busy_s, max(0.0, now - stage.queue.oldest_at()))
            for stage, stage_busy_s in zip(self._stages, busy_s, strict=True)
        )

    def at_work(self) -> set[str]:
        """The replicas that have work in hand."""
        return {name for name, replica in self._replicas.items() if replica.jobs}

    def blockers(self) -> dict[str, str]:
        """Why each stage that cannot serve cannot; nothing when the relay takes requests."""
        why = {}
        for stage in self._stages:
            if stage.down:
                why[stage.plan.name] = stage.down
            elif not stage.warmed:
                why[stage.plan.name] = "no replica is warm"
            elif self._closing:
                why[stage.plan.name] = CLOSING
        return why

    def handed_before(self, replica_id: str, then: float) -> bool:
        """Whether a replica has had a job in hand since before `then`."""
        replica = self._replicas.get(replica_id)
        return replica is not None and any(job.handed_at < then for job in replica.jobs.values())

    def expected_wait_s(self) -> float:
        """How long a request that came now would take to get through the jobs before it, by measured service times."""
        before, longest = 0, 0.0
        for stage in self._stages:
            before += len(stage.queue) + stage.in_service
            longest = max(longest, before * stage.seconds_per_job / max(1, len(stage.warmed)))
        return longest

    # the inner works

    def _index(self, stage_name: str) -> int:
        return next(i for i, stage in enumerate(self._stages) if stage.plan.name == stage_name)

    def _refusal(self, message: Submit) -> tuple[OutcomeName, str, float] | None:
        """Outcome, reason and the wait to expect (0 when waiting would not help), or None to accept."""
        names = [stage.plan.name for stage in self._stages]
        if message.stage and message.stage not in names:
            return "failed", f"there is no stage {message.stage!r}; enter at one of {', '.join(names)}", 0.0
        entry = self._stages[self._index(message.stage) if message.stage else 0]
        down = next((stage.down for stage in self._stages if stage.down), "")
        if message.meta.kind != entry.plan.accepts:
            return "failed", f"{entry.plan.name} takes {entry.plan.accepts}, not {message.meta.kind}", 0.0
        if message.deadline_s is not None and message.deadline_s <= 0:
            return "expired", "its deadline had passed when it arrived", 0.0
        if down:
            return "rejected", down, 0.0
        if self._closing:
            return "rejected", CLOSING, 0.0
        if len(entry.queue) >= entry.plan.queue_items or entry.queue.cost >= entry.plan.queue_cost:
            reason = f"the queue of {entry.plan.name} is full ({len(entry.queue)} waiting)"
            return "rejected", reason, max(SHORTEST_WAIT_S, self.expected_wait_s())
        return None

    def _enqueue(self, job: Job) -> None:
        job.request.jobs[job.id] = job
        self._stages[job.stage].queue.push(job)

    def _hand_out(self, now: float) -> None:
        """Gives work to every credit that can take some, from the last stage to the first: room appears downstream."""
        for index in range(len(self._stages) - 1, -1, -1):
            stage = self._stages[index]
            while stage.credits and stage.queue and self._has_room_after(index):
                batch = self._next_batch(stage, now)
                if not batch:
                    break
                self._hand_to(stage.credits.popleft(), stage, batch, now)

    def _has_room_after(self, index: int) -> bool:
        if index + 1 == len(self._stages):
            return True
        following = self._stages[index + 1]
        arriving = self._stages[index].in_service
        return (
            len(following.queue) + arriving < following.plan.queue_items
            and following.queue.cost < following.plan.queue_cost
        )

    def _next_batch(self, stage: _Stage, now: float) -> list[Job]:
        plan, queue = stage.plan, stage.queue
        if plan.max_wait_s and len(queue) < plan.max_batch and queue.oldest_at() + plan.max_wait_s > now:
            return []
        batch: list[Job] = []
        cost = 0.0
        while len(batch) < plan.max_batch and (job := queue.head()) is not None:
            if job.request.deadline_at <= now:
                self._end(job.request, "expired", f"its deadline passed while it waited for {plan.name}", now)
                continue
            cost += job.meta.cost
            if batch and cost > plan.max_batch_cost:
                break
            batch.append(queue.pop_head())
        return batch

    def _hand_to(self, replica_id: str, stage: _Stage, batch: list[Job], now: float) -> None:
        replica = self._replicas[replica_id]
        items, frames = [], []
        for job in batch:
            request = job.request
            job.handed_at = now
            job.replica = replica_id
            replica.jobs[job.id] = job
            remaining = None if request.deadline_at == math.inf else request.deadline_at - now
            items.append(WorkItem(job.id, job.attempt, job.meta, remaining))
            frames.append(job.frame)
            if request.progress:
                self._outbox.to_client(request.client, Started(request.id, stage.plan.name, job.path))
        stage.in_service += len(batch)
        self._outbox.to_replica(replica_id, Work(tuple(items)), *frames)

    def _release(self, request: Request, now: float) -> None:
        for path, (meta, frame) in request.order.release():
            event = Event(request.id, self._stages[len(path) - 1].plan.name, path, meta)
            self._outbox.to_client(request.client, event, frame)
            if len(path) == len(self._stages):
                self._observer.audio_out(request, meta, now)

    def _end(self, request: Request, outcome: OutcomeName, reason: str, now: float) -> None:
        """Tells the client how the request ended and forgets it; its jobs leave the queues and the replicas."""
        self._observer.request_ended(request, outcome, now)
        for job in request.jobs.values():
            if job.replica is None:
                self._stages[job.stage].queue.remove(job)
            else:
                self._outbox.to_replica(job.replica, Abandon(job.id))
        request.jobs.clear()
        self._requests.pop(request.id, None)
        self._outbox.to_client(request.client, Outcome(request.id, outcome, reason, 0.0, tuple(request.spans)))
