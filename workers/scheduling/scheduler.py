"""The broker's mind: who waits, who works, and how every accepted request comes to exactly one outcome.

Pure: the time is an argument and messages leave through an `Outbox`, so that any order of events can be tried
without a process or a socket.
"""

from __future__ import annotations

import heapq
import itertools
import math
from typing import Any

from workers.scheduling.admission import CLOSING, refusal
from workers.scheduling.delivery import Outbox
from workers.scheduling.observer import Observer
from workers.scheduling.path_order import PathOrder
from workers.scheduling.stage import Stage, StagePlan, expected_wait_s
from workers.scheduling.stage_queue import Job, Request
from workers.wire.messages import (
    AbandonJob,
    BatchEnd,
    BatchLease,
    Drain,
    JobEnd,
    JobLease,
    JobStarted,
    Outcome,
    OutcomeName,
    Output,
    RequestOutput,
    StageInfo,
    StageLoad,
    Submit,
)


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
        self._stages = [Stage(plan) for plan in stages]
        self._outbox = outbox
        self._observer = observer or Observer()
        self._keep_spans = keep_spans
        self._max_attempts = max_attempts
        self._requests: dict[str, Request] = {}
        self._stage_of: dict[str, Stage] = {}  # by replica
        self._deadlines: list[tuple[float, int, str]] = []
        self._numbers = itertools.count(numbers_from)
        self._closing = False

    # what clients do

    def submit(self, client: bytes, message: Submit, frame: Any, now: float) -> None:
        """Accepts a request, or ends it at the door.

        An id that is already here changes nothing; unless it comes by another connection: whatever was sent by the
        earlier one may be lost, so the request begins again, and is not turned away for want of room.
        """
        known = self._requests.get(message.request)
        if known is not None:
            if known.client == client:
                return
            self._forget(known)
        deadline_at = math.inf if message.deadline_s is None else now + message.deadline_s
        order = PathOrder[Any](len(self._stages))
        request = Request(message.request, client, message.priority, now, deadline_at, message.progress, order)
        turned_away = refusal(self._stages, message, self._closing, known is not None)
        if turned_away is not None:
            self._outbox.to_client(client, Outcome(request.id, *turned_away, spans=()))
            self._observer.request_ended(request, turned_away[0], now)
            return
        self._requests[request.id] = request
        if known is None:
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
        if replica_id in self._stage_of:
            self.gone(replica_id, "joined again", now)
        stage = self._stage_of[replica_id] = self._stages[self._index(stage_name)]
        stage.replicas.join(replica_id)
        self._hand_out(now)

    def output(self, message: Output, frame: Any, now: float) -> bool:
        """Sends an output on. False, and nothing is sent, when the job is not this replica's or its request ended."""
        stage = self._stage_of.get(message.replica)
        job = stage.replicas.in_hand(message.replica, message.job, message.attempt) if stage else None
        if job is None or job.id not in job.request.jobs:
            return False
        if message.index != job.forwarded:
            return message.index < job.forwarded  # a repeat of what an earlier attempt already sent on
        job.forwarded += 1
        job.cost_out += message.meta.cost
        request, path = job.request, (*job.path, message.index)
        last = job.stage == len(self._stages) - 1
        if last or message.meta.kind == "text":
            request.order.output(path, (message.meta, frame))
        if last:
            self._release(request, now)
        else:
            self._enqueue(Job(next(self._numbers), request, job.stage + 1, path, message.meta, frame, now))
            self._hand_out(now)  # first, because the next replica waits for it
            if request.jobs:  # it may just have expired, and then there is no more to say
                self._release(request, now)
        return True

    def done(self, message: BatchEnd, now: float) -> None:
        """Ends the jobs of a batch and takes the replica's new credit."""
        stage = self._stage_of.get(message.replica)
        if stage is None:
            return
        share_s = message.batch_s / max(1, len(message.jobs))
        self._observer.batch_ended(self._stages.index(stage), len(message.jobs), message.batch_s)
        for ended in message.jobs:
            job = stage.replicas.in_hand(message.replica, ended.job, ended.attempt)
            if job is None:
                continue  # of a lease that this replica lost
            stage.replicas.finish(message.replica, job, now)
            if job.id not in job.request.jobs:
                continue
            if ended.outputs > job.forwarded:
                cause = f"{ended.outputs - job.forwarded} of {ended.outputs} did not arrive"
                self._take_back(job, "lost its outputs", cause, "", now)
            else:
                self._job_ended(job, ended, share_s, len(message.jobs), now)
        stage.replicas.credit(message.replica)
        self._hand_out(now)

    def _job_ended(self, job: Job, ended: JobEnd, share_s: float, batch: int, now: float) -> None:
        request = job.request
        del request.jobs[job.id]
        self._observer.job_ended(job, ended, now)
        if self._keep_spans:
            request.spans.append(job.span(self._stages[job.stage].plan.name, ended.service_s, share_s, batch))
        if ended.error:
            self._end(request, "failed", ended.error, now)
        elif ended.expired:
            reason = f"its deadline passed before {self._stages[job.stage].plan.name} began"
            self._end(request, "expired", reason, now)
        else:
            self._stages[job.stage].pace.add(job.meta.cost, share_s, job.cost_out)
            request.order.job_ended(job.path, max(ended.outputs, job.forwarded))
            self._release(request, now)
            if not request.jobs:
                self._end(request, "ok", "", now)

    # what the supervisor says

    def gone(self, replica_id: str, cause: str, now: float, log_tail: str = "", *, died: bool = True) -> None:
        """A replica has ended: what it had in hand goes back to the front of the queue, or to the dead letters.

        One that left of its own accord, without having `died`, had not begun it: that is no attempt.
        """
        stage = self._stage_of.pop(replica_id, None)
        if stage is None:
            return
        for job in reversed(stage.replicas.leave(replica_id, now)):
            if job.id not in job.request.jobs:
                continue
            if died:
                self._take_back(job, "died", cause, log_tail, now)
            else:
                self._put_back(job, now)
        self._hand_out(now)

    def retire(self, replica_id: str) -> None:
        """Gives a replica no more work and asks it to leave after what it has in hand."""
        stage = self._stage_of.get(replica_id)
        if stage is not None:
            stage.replicas.retire(replica_id)
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
        deadline_at = self._deadlines[0][0] if self._deadlines else math.inf
        return min(deadline_at, *(stage.held_until() for stage in self._stages))

    @property
    def open_requests(self) -> int:
        """Requests accepted and not yet ended."""
        return len(self._requests)

    @property
    def all_ready(self) -> bool:
        """Whether every stage has a warmed replica."""
        return all(stage.replicas.warm for stage in self._stages)

    def stage_infos(self, desired: dict[str, int]) -> tuple[StageInfo, ...]:
        """The state of every stage, with the number of replicas that the supervisor wants."""
        return tuple(stage.info(desired.get(stage.plan.name, 0)) for stage in self._stages)

    def loads(self, now: float) -> tuple[StageLoad, ...]:
        """How much every stage has to do."""
        return tuple(stage.load(now) for stage in self._stages)

    def at_work(self) -> set[str]:
        """The replicas that have work in hand."""
        return {name for stage in self._stages for name in stage.replicas.at_work()}

    def blockers(self) -> dict[str, str]:
        """Why each stage that cannot serve cannot; nothing when the relay takes requests."""
        why = {}
        for stage in self._stages:
            if stage.down:
                why[stage.plan.name] = stage.down
            elif not stage.replicas.warm:
                why[stage.plan.name] = "no replica is warm"
            elif self._closing:
                why[stage.plan.name] = CLOSING
        return why

    def handed_before(self, replica_id: str, then: float) -> bool:
        """Whether a replica has had a job in hand since before `then`."""
        stage = self._stage_of.get(replica_id)
        return stage is not None and stage.replicas.handed_before(replica_id, then)

    def expected_wait_s(self) -> float:
        """How long a request that came now would wait for the work before it, by measured rates."""
        return expected_wait_s(self._stages)

    # the inner works

    def _index(self, stage_name: str) -> int:
        return next(i for i, stage in enumerate(self._stages) if stage.plan.name == stage_name)

    def _take_back(self, job: Job, verb: str, cause: str, log_tail: str, now: float) -> None:
        """A job was tried in vain: once more, or it is a dead letter."""
        if job.attempt < self._max_attempts:
            job.attempt += 1
            self._put_back(job, now)
            return
        name = self._stages[job.stage].plan.name
        reason = f"{name} {verb} {job.attempt} times under this request, the last time: {cause}"
        self._outbox.dead_letter(job, name, reason, log_tail)
        self._end(job.request, "dead_letter", reason, now)

    def _put_back(self, job: Job, now: float) -> None:
        job.replica = None
        job.queued_at = now
        self._stages[job.stage].queue.push_front(job)

    def _enqueue(self, job: Job) -> None:
        job.request.jobs[job.id] = job
        self._stages[job.stage].queue.push(job)

    def _hand_out(self, now: float) -> None:
        """Gives work to every credit that can take some, from the last stage to the first: room appears downstream."""
        for index in range(len(self._stages) - 1, -1, -1):
            stage = self._stages[index]
            while stage.replicas.waiting and stage.queue and self._has_room_after(index):
                batch = self._next_batch(stage, now)
                if not batch:
                    break
                self._hand_to(stage.replicas.hand(batch), stage, batch, now)

    def _has_room_after(self, index: int) -> bool:
        if index + 1 == len(self._stages):
            return True
        return self._stages[index + 1].has_room(arriving=self._stages[index].replicas.in_service)

    def _next_batch(self, stage: Stage, now: float) -> list[Job]:
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

    def _hand_to(self, replica_id: str, stage: Stage, batch: list[Job], now: float) -> None:
        items, frames = [], []
        for job in batch:
            request = job.request
            job.handed_at = now
            job.replica = replica_id
            remaining = None if request.deadline_at == math.inf else request.deadline_at - now
            items.append(JobLease(job.id, job.attempt, job.meta, remaining))
            frames.append(job.frame)
            if request.progress:
                self._outbox.to_client(request.client, JobStarted(request.id, stage.plan.name, job.path))
        self._outbox.to_replica(replica_id, BatchLease(tuple(items)), *frames)

    def _release(self, request: Request, now: float) -> None:
        """Sends the outputs whose turn has come; a client that follows no progress gets texts with the next sound."""
        if request.progress or request.order.is_due(len(self._stages) - 1):
            self._send_released(request, now)

    def _send_released(self, request: Request, now: float) -> None:
        for path, (meta, frame) in request.order.release():
            event = RequestOutput(request.id, self._stages[len(path) - 1].plan.name, path, meta)
            self._outbox.to_client(request.client, event, frame)
            if len(path) == len(self._stages):
                self._observer.audio_out(request, meta, now)

    def _end(self, request: Request, outcome: OutcomeName, reason: str, now: float) -> None:
        """Tells the client how the request ended and forgets it."""
        self._observer.request_ended(request, outcome, now)
        self._forget(request)
        self._send_released(request, now)
        self._outbox.to_client(request.client, Outcome(request.id, outcome, reason, 0.0, tuple(request.spans)))

    def _forget(self, request: Request) -> None:
        """Takes a request's jobs out of the queues and from the replicas."""
        for job in request.jobs.values():
            if job.replica is None:
                self._stages[job.stage].queue.remove(job)
            else:
                self._outbox.to_replica(job.replica, AbandonJob(job.id))
        request.jobs.clear()
        self._requests.pop(request.id, None)
