"""Decides which job runs where and when, and brings every admitted request to exactly one outcome.

Theory of operation
===================

A relay is a row of stages. Each stage has a queue of jobs and a set of replicas. For everything that happens, the
broker calls one method of `Scheduler` with the current time; the scheduler changes its tables and sends messages
through a `Delivery`. It reads no clock, opens no socket and looks into no payload, so that a test or the tuner can
play any order of events. One thread uses it.

Terms
-----

request   One utterance of one client. It is open from its Submit until its Outcome.
job       One piece of a request at one stage. A request begins as one job at the stage that it enters. Each output of
          a job becomes a job at the next stage; outputs of the last stage are the answer.
path      The place of a job in its request: one index for each stage that it has passed. The first job has the path
          (), and output i of the job at path p has the path p + (i,), which is also the path of the job that it
          becomes. A request that enters at stage k begins with k zeros.
credit    A replica's statement that it is idle. `Ready` gives the first one and each `BatchEnd` the next. A replica has
          at most one, and never one beside a lease.
lease     Jobs that were given to a replica for its credit, as one batch (`BatchLease`). A job is leased until its
          `JobEnd`, or until its replica is gone. A job that has not ended is either queued or leased to one replica.
attempt   A number that a job's messages carry. It begins at 1 and rises by one when a lease failed: its replica died
          or was taken for dead, or outputs were lost on the way. A replica that drains and leaves does not raise it.

The life of a job
-----------------

    Submit
      │ admission ────────────► not admitted: Outcome rejected, expired or failed
      ▼
    queued ◄───────────────┐
      │ a credit, and room │ replica gone or outputs lost: the next attempt, at the
      │ at the next stage  │ front of the queue
      ▼                    │
    leased ────────────────┴──► no attempt left: Outcome dead_letter
      │ each Output: a job at the next stage (queued), or a RequestOutput to the client
      ▼
    ended
      │ no job of the request is left
      ▼
    Outcome ok

A request can end before that: `cancelled` by its client or at shutdown, `expired` when its deadline passes, `failed`
when a job ends with an error or its stage is given up. Its queued jobs leave with it, and replicas are sent
`AbandonJob` for those that they hold.

Rules
-----

* Work is dispatched from the last stage to the first, because a lease makes room for the stage before it.
* A stage leases a batch only while the next queue has room for what its replicas already hold (backpressure). A client
  meets it as `rejected` at the entry, with the wait to expect.
* Interactive jobs go before batch jobs; while batch jobs wait, every fifth job is one of them. Neither can shut the
  other out at the entry: a full queue still admits a request of a priority of which fewer than a fifth of `queue_items`
  wait, or none where it is full by cost.
* The payloads of open requests take at most `memory_bytes` when a request is admitted; over that it is `rejected`, with
  a wait. While several clients ask for room, each has an equal share (`MemoryBudget`).
* Inside a priority, the clients that have jobs waiting take turns, one job each; the jobs of a client keep their order.
* A request ends at its deadline, also while a replica computes a job of it: the replica abandons that job at its next
  output, and the broker refuses what it still sends. The replica is not interrupted. No job is leased after its
  deadline.
* A death makes suspects of all the jobs that the replica held. From then on each of them is leased alone, so that the
  innocent ones pass and the guilty one dies alone. A death in company is never the last attempt of a job: it gets one
  more, alone. A job with which a replica dies when it is alone, after a replica died with it before, explains all those
  deaths; they do not count against the stage (`deaths_explained`).
* While a stage is given up, requests are rejected with the reason and a wait. They are admitted again once the
  supervisor tries the stage again (`stage_up`).
* The same request id from the same client changes nothing. From another connection it begins the request again: what
  was sent over the earlier connection may be lost.
* Job numbers of one broker begin at a random place, so that messages about the jobs of an earlier broker match nothing.

Invariants
----------

tests/unit/workers/scheduling/test_scheduler_states.py checks them in any order of events.

1. An admitted request gets exactly one Outcome, and a RequestOutput only before it.
2. A job is queued or leased, never both, and leased to one replica only.
3. A replica gets a batch only for a credit, and holds one batch at most.
4. An output is passed on once, whichever attempt made it (`Job.forwarded` counts them).
5. Outputs of a stage reach the client in path order.
6. No job has more than `max_attempts` attempts, or one more when a replica died with it in company at the last of them.
   The last attempt of a job that becomes a dead letter by a death was alone.
7. A message of a replica changes only jobs that are leased to that replica under the attempt that it names.
8. A suspect is in no batch with another job.
9. While every stage has a warm replica that makes progress, every open request ends.
"""

from __future__ import annotations

import itertools
import math
from bisect import insort
from typing import Any

from workers.scheduling.admission import CLOSING, check_admission, check_memory
from workers.scheduling.batching import next_batch
from workers.scheduling.delivery import Delivery
from workers.scheduling.memory_budget import MemoryBudget
from workers.scheduling.observer import Observer
from workers.scheduling.open_requests import OpenRequests
from workers.scheduling.path_order import PathOrder
from workers.scheduling.request import Job, Request
from workers.scheduling.stage import StagePlan
from workers.scheduling.stage_table import StageTable
from workers.wire.messages import BatchEnd, BatchLease, Drain, JobEnd, JobLease, Outcome, Output, Submit
from workers.wire.shorten import shorten


class Scheduler:
    """The broker's decisions; see the theory of operation above. Times are monotonic seconds."""

    def __init__(
        self,
        plans: list[StagePlan],
        delivery: Delivery,
        max_attempts: int = 3,
        numbers_from: int = 1,
        observer: Observer | None = None,
        keep_spans: bool = True,
        memory_bytes: float = math.inf,
    ) -> None:
        """Starts with empty queues and no replicas.

        Args:
            plans: the stages, in the order of the relay.
            delivery: carries messages to clients and replicas.
            max_attempts: attempts of a job before it becomes a dead letter.
            numbers_from: the number of the first job.
            observer: is told what happens, for metrics.
            keep_spans: whether outcomes carry the spans of their jobs.
            memory_bytes: bytes of payloads to hold at most when a request is admitted.
        """
        self.stages = StageTable(plans)
        self._last_to_first = self.stages.in_order[::-1]
        self._delivery = delivery
        self._observer = observer or Observer()
        self._memory = MemoryBudget(memory_bytes)
        self._requests = OpenRequests(self.stages, delivery, self._observer, self._memory)
        self._max_attempts = max_attempts
        self._numbers = itertools.count(numbers_from)
        self._keep_spans = keep_spans
        self._closing = False

    # from clients

    def submit(self, client: bytes, message: Submit, frame: Any, now: float) -> None:
        """Admits a request, or ends it at once. `frame` is its payload."""
        known = self._requests.get(message.request)
        if known is not None:
            if known.client == client:
                return
            self._requests.forget(known)
        deadline_at = math.inf if message.deadline_s is None else now + message.deadline_s
        order = PathOrder[Any](self.stages.last + 1)
        request = Request(message.request, client, message.priority, now, deadline_at, message.progress, order)
        not_admitted = check_admission(self.stages, message, self._closing, known is not None)
        if not_admitted is None and known is None:
            not_admitted = check_memory(self.stages, self._memory, client, frame, now)
        if not_admitted is not None:
            self._requests.refuse(request, *not_admitted, now)
            return
        self._requests.add(request)
        if known is None:
            self._observer.accepted(message.meta)
        entry = self.stages.named(message.stage).place if message.stage else 0
        for depth in range(entry):  # the stages that are left out count as passed, with one output each
            order.job_ended((0,) * depth, 1)
        self._enqueue(Job(next(self._numbers), request, entry, (0,) * entry, message.meta, frame, now))
        self._dispatch(now)

    def cancel(self, client: bytes, request_id: str, now: float) -> None:
        """Ends a request of this client as cancelled; one of another client stays."""
        request = self._requests.get(request_id)
        if request is not None and request.client == client:
            self._requests.end(request, "cancelled", "cancelled by the client", now)
            self._dispatch(now)

    def fail(self, client: bytes, request_id: str, reason: str, now: float) -> None:
        """Ends a request of this client as failed; one that is not open gets the outcome all the same."""
        request = self._requests.get(request_id)
        if request is not None and request.client == client:
            self._requests.end(request, "failed", reason, now)
            self._dispatch(now)
        else:
            self._delivery.to_client(client, Outcome(request_id, "failed", reason, 0.0, spans=()))

    # from replicas

    def replica_ready(self, replica: str, stage: str, now: float) -> None:
        """Takes a warm and idle replica in, with its first credit. Jobs leased to it before are tried again."""
        if self.stages.of_replica(replica) is not None:
            self.replica_gone(replica, "joined again", now)
        self.stages.join(replica, stage)
        self._dispatch(now)

    def output(self, message: Output, frame: Any, now: float) -> bool:
        """Passes an output on. False, and nothing happens, if its job is not the replica's or its request has ended."""
        stage = self.stages.of_replica(message.replica)
        job = stage.replicas.leased(message.replica, message.job, message.attempt) if stage else None
        if job is None or job.id not in job.request.jobs:
            return False
        if message.index != job.forwarded:
            return message.index < job.forwarded  # a repeat of an output that an earlier attempt passed on
        job.forwarded += 1
        job.cost_out += message.meta.cost
        request, path = job.request, (*job.path, message.index)
        last = job.stage == self.stages.last
        if last or message.meta.kind == "text":
            request.order.output(path, (message.meta, frame))
            self._memory.hold(request, frame)
        if last:
            self._requests.release(request, now)
        else:
            self._enqueue(Job(next(self._numbers), request, job.stage + 1, path, message.meta, frame, now))
            self._dispatch(now)  # before the client's copy, because a replica may wait for it
            if request.jobs:  # dispatching may have ended the request as expired
                self._requests.release(request, now)
        return True

    def batch_ended(self, message: BatchEnd, now: float) -> None:
        """Ends the jobs of a batch and takes the replica's next credit."""
        stage = self.stages.of_replica(message.replica)
        if stage is None:
            return
        share_s = message.batch_s / max(1, len(message.jobs))
        self._observer.batch_ended(stage.place, len(message.jobs), message.batch_s)
        for ended in message.jobs:
            job = stage.replicas.leased(message.replica, ended.job, ended.attempt)
            if job is None:
                continue  # this replica has lost the lease
            stage.replicas.end_lease(message.replica, job, now)
            if job.id not in job.request.jobs:
                continue
            if ended.outputs > job.forwarded:
                cause = f"{ended.outputs - job.forwarded} of {ended.outputs} did not arrive"
                self._retry(job, "lost its outputs", cause, "", now)
            else:
                self._job_ended(job, ended, share_s, len(message.jobs), now)
        stage.replicas.credit(message.replica)
        self._dispatch(now)

    def _job_ended(self, job: Job, ended: JobEnd, share_s: float, batch: int, now: float) -> None:
        request, stage = job.request, self.stages.in_order[job.stage]
        del request.jobs[job.id]
        self._memory.release(request, job.frame)
        self._observer.job_ended(job, ended, now)
        if self._keep_spans:
            span = job.span(stage.plan.name, ended.service_s, share_s, batch)
            insort(request.spans, span, key=lambda span: span.start_s)  # a job may end before one that it came from
        if ended.error:
            self._requests.end(request, "failed", ended.error, now)
        elif ended.expired:
            self._requests.end(request, "expired", f"its deadline passed before {stage.plan.name} began", now)
        else:
            stage.service_rate.add(job.meta.cost, share_s, job.cost_out)
            request.order.job_ended(job.path, max(ended.outputs, job.forwarded))
            self._requests.release(request, now)
            if not request.jobs:
                self._requests.end(request, "ok", "", now)

    # from the supervisor

    def replica_gone(self, replica: str, cause: str, now: float, log_tail: str = "", *, died: bool = True) -> None:
        """Removes a replica. Jobs leased to it are tried again; without having `died`, it had not begun them."""
        stage = self.stages.leave(replica)
        if stage is None:
            return
        for job in reversed(stage.replicas.leave(replica, now)):
            if job.id not in job.request.jobs:
                continue
            if died:
                self._note_death(job, replica)
                self._retry(job, "died", cause, log_tail, now)
            else:
                self._requeue(job, now)
        self._dispatch(now)

    def drain_replica(self, replica: str) -> None:
        """Leases nothing more to a replica and asks it to leave after its batch."""
        stage = self.stages.of_replica(replica)
        if stage is not None:
            stage.replicas.drain(replica)
        self._delivery.to_replica(replica, Drain())

    def stage_down(self, name: str, reason: str, now: float) -> None:
        """Gives a stage up: requests that still need it fail, and new ones are rejected until `stage_up`."""
        stage = self.stages.named(name)
        stage.down = f"stage {name} is down: {shorten(reason)}"
        for request in self._requests:
            if any(job.stage <= stage.place for job in request.jobs.values()):
                self._requests.end(request, "failed", stage.down, now)
        self._dispatch(now)

    def stage_up(self, name: str, now: float) -> None:
        """Serves a stage again that was given up: requests are admitted, and its queue is worked off."""
        self.stages.named(name).down = ""
        self._dispatch(now)

    def stop_accepting(self) -> None:
        """Admits no further request."""
        self._closing = True

    def cancel_all(self, reason: str, now: float) -> None:
        """Ends every open request as cancelled."""
        for request in self._requests:
            self._requests.end(request, "cancelled", reason, now)

    # time and state

    def tick(self, now: float) -> None:
        """Ends the requests whose deadline has passed, and leases the batches that waited enough."""
        for request in self._requests.pop_overdue(now):
            leased = any(job.replica is not None for job in request.jobs.values())
            during = "was computed" if leased else "waited"
            self._requests.end(request, "expired", f"its deadline passed while it {during}", now)
        self._dispatch(now)

    def next_tick_at(self) -> float:
        """When `tick` is due next; infinite when it is not."""
        open_stages = filter(self.stages.has_room_after, self.stages.in_order)  # the others wait for an event
        return min([self._requests.next_deadline_at(), *(stage.fills_batch_until() for stage in open_stages)])

    @property
    def open_requests(self) -> int:
        """The number of requests that were admitted and have not ended."""
        return len(self._requests)

    def blockers(self) -> dict[str, str]:
        """Why each stage that takes no requests takes none; empty when the relay takes requests."""
        why = {}
        for stage in self.stages.in_order:
            if stage.down:
                why[stage.plan.name] = stage.down
            elif not stage.replicas.warm:
                why[stage.plan.name] = "no replica is warm"
            elif self._closing:
                why[stage.plan.name] = CLOSING
        return why

    # queueing and dispatch

    def _enqueue(self, job: Job) -> None:
        job.request.jobs[job.id] = job
        self._memory.hold(job.request, job.frame)
        self.stages.in_order[job.stage].queue.push(job)

    def _requeue(self, job: Job, now: float) -> None:
        job.replica = None
        job.queued_at = now
        self.stages.in_order[job.stage].queue.push_front(job)

    def _note_death(self, job: Job, replica: str) -> None:
        """Remembers that a replica died with a job, which from now on is leased alone.

        A job that was alone, and for which it is not the first death, explains all of its deaths.
        """
        job.suspect = True
        job.died_with.append(replica)
        if job.alone and len(job.died_with) > 1:
            self._delivery.deaths_explained(tuple(job.died_with))

    def _retry(self, job: Job, verb: str, cause: str, log_tail: str, now: float) -> None:
        """Puts a job back whose lease failed; after its last attempt it becomes a dead letter.

        A job that had company in its last attempt may be innocent of a death, so it gets one more, alone.
        """
        if job.attempt < self._max_attempts or (job.suspect and not job.alone):
            job.attempt += 1
            self._requeue(job, now)
            return
        name = self.stages.in_order[job.stage].plan.name
        reason = f"{name} {verb} {job.attempt} times under this request, the last time: {shorten(cause)}"
        self._delivery.dead_letter(job, name, reason, log_tail)
        self._requests.end(job.request, "dead_letter", reason, now)

    def _dispatch(self, now: float) -> None:
        """Leases batches for credits, from the last stage to the first: a lease makes room for the stage before."""
        for stage in self._last_to_first:
            while stage.replicas.has_credit and stage.queue and self.stages.has_room_after(stage):
                batch = next_batch(stage, self._requests, now)
                if not batch:
                    break
                self._lease(stage.replicas.lease(batch), batch, now)

    def _lease(self, replica: str, batch: list[Job], now: float) -> None:
        leases = []
        for job in batch:
            job.leased_at, job.replica, job.alone = now, replica, len(batch) == 1
            deadline_at = job.request.deadline_at
            deadline_s = None if deadline_at == math.inf else deadline_at - now
            leases.append(JobLease(job.id, job.attempt, job.meta, deadline_s))
            self._requests.started(job.request, job.stage, job.path)
        self._delivery.to_replica(replica, BatchLease(tuple(leases)), *(job.frame for job in batch))
