"""Any order of events: clients that submit again, replicas that come and go, poison, and a broker that is killed.

The clients and replicas are played, and behave as `workers.client.client` and `workers.replica.replica` do. A
job's outputs follow from its payload, as those of a model do, so that a whole answer can be checked however often parts
of it were computed.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from workers.scheduling.scheduler import Scheduler
from workers.scheduling.stage import StagePlan
from workers.wire import messages

STAGES = ("listen", "translate", "speak")
ACCEPTS = ("audio", "text", "text")
YIELDS = ("text", "text", "audio")
MAX_ATTEMPTS = 2
QUEUE_ITEMS = 4
JOBS_OF_A_BROKER = 10**6
POISONED_STAGE = "translate"  # its replicas die under a poison


def outputs_of(payload: str) -> int:
    """The number of outputs of the job with this payload: none, one or two."""
    return (2, 1, 2, 0)[sum(map(ord, payload)) % 4]


def is_poison(payload: str) -> bool:
    """Whether it is, or comes from, a request that is a poison."""
    return payload.startswith("poison")


def whole_answer(payload: str) -> dict[str, list[str]]:
    """Every output of each stage for a request, in order."""
    said: dict[str, list[str]] = {}
    payloads = [payload]
    for stage in STAGES:
        payloads = said[stage] = [f"{each}.{index}" for each in payloads for index in range(outputs_of(each))]
    return said


@dataclass
class AwaitedRequest:
    """A request that its client waits for."""

    deadline_at: float
    priority: messages.Priority
    patient: bool
    follows: bool


@dataclass
class PlayedReplica:
    """A replica. Its batch may be an earlier broker's, or one whose lease it has lost."""

    stage: str
    known: bool = True  # to the broker: it sent Ready, and was not taken for dead since
    leased: bool = False  # the broker has leased it the batch
    draining: bool = False  # it leaves after its batch, and reads no other
    told_to_drain: bool = False  # by the broker
    batch: messages.BatchLease | None = None
    payloads: list[str] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)


def requests_of(replica: PlayedReplica) -> set[str]:
    """The requests that the replica has jobs of."""
    return {payload.partition(".")[0] for payload in replica.payloads} if replica.batch else set()


class AnyOrder(RuleBasedStateMachine):
    """The scheduler's surroundings: the delivery, the clock, the clients and the replicas."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.brokers = itertools.count()
        self.names = itertools.count()
        self.awaited: dict[str, AwaitedRequest] = {}
        self.refused: set[str] = set()  # patient requests, to be sent again
        self.outcomes: dict[str, str] = {}
        self.events: dict[str, dict[tuple[str, messages.JobPath], str]] = defaultdict(dict)
        self.letters: list[str] = []
        self.held_at_a_death: set[int] = set()  # jobs
        self.unlucky: set[str] = set()  # requests that lost a lease by chance, and not by a poison
        self.client = b"client-0"  # another one after each connection that breaks
        self.travelling: list[tuple[messages.ToClient, tuple[Any, ...]]] = []  # from the broker to the client
        self.replicas: dict[str, PlayedReplica] = {}
        self.begin_broker()

    def begin_broker(self) -> None:
        plans = [
            StagePlan(
                name, "audio" if name == "listen" else "text", queue_items=QUEUE_ITEMS, max_batch=2, queue_cost=30.0
            )
            for name in STAGES
        ]
        self.down = ""
        first_job = next(self.brokers) * JOBS_OF_A_BROKER
        self.scheduler = Scheduler(plans, self, MAX_ATTEMPTS, first_job, memory_bytes=10**9)

    # the delivery

    def to_client(self, client: bytes, message: messages.ToClient, *frames: Any) -> None:
        if client == self.client:
            self.travelling.append((message, frames))

    def to_replica(self, name: str, message: messages.ToReplica, *frames: Any) -> None:
        replica = self.replicas.get(name)
        if replica is None:
            return
        if isinstance(message, messages.BatchLease):
            assert not replica.leased, "a second batch without a credit"
            assert replica.batch is None
            assert not replica.told_to_drain
            jobs = {lease.job for lease in message.jobs}
            assert len(jobs) == 1 or not jobs & self.held_at_a_death, "a suspect in company"
            replica.batch, replica.payloads = message, list(frames)
            replica.sent, replica.leased = [0] * len(frames), True
        elif isinstance(message, messages.Drain):
            replica.draining = replica.told_to_drain = True

    def dead_letter(self, job: Any, stage: str, reason: str, log_tail: str) -> None:
        assert MAX_ATTEMPTS <= job.attempt <= MAX_ATTEMPTS + 1
        assert job.alone or job.attempt == MAX_ATTEMPTS
        assert is_poison(job.frame) or job.request.id in self.unlucky, "an innocent request became a dead letter"
        self.letters.append(job.request.id)

    def deaths_explained(self, replicas: tuple[str, ...]) -> None:
        assert len(replicas) > 1

    # clients

    @rule(deadline_s=st.none() | st.floats(0.5, 5), batch=st.booleans(), patient=st.booleans(), follows=st.booleans())
    def submit(self, deadline_s: float | None, batch: bool, patient: bool, follows: bool) -> None:
        deadline_at = math.inf if deadline_s is None else self.now + deadline_s
        self.send_new(AwaitedRequest(deadline_at, "batch" if batch else "interactive", patient, follows))

    @rule()
    def submit_a_poison(self) -> None:
        self.send_new(AwaitedRequest(math.inf, "interactive", patient=False, follows=False), "poison")

    def send_new(self, awaited: AwaitedRequest, prefix: str = "r") -> None:
        request = f"{prefix}{next(self.names)}"
        self.awaited[request] = awaited
        self.submit_to_queue(request)

    def send(self, request: str) -> None:
        awaited = self.awaited[request]
        deadline_s = None if awaited.deadline_at == math.inf else awaited.deadline_at - self.now
        message = messages.Submit(request, messages.Meta("audio", 3.0), deadline_s, awaited.priority, awaited.follows)
        self.scheduler.submit(self.client, message, request, self.now)

    def submit_to_queue(self, request: str) -> None:
        queue = self.scheduler.stages.in_order[0].queue
        before = len(queue)
        # a full queue takes one request of a priority of which none waits
        kept = 0 if queue.waiting(self.awaited[request].priority) else 1
        self.send(request)
        assert len(queue) <= max(before + kept, QUEUE_ITEMS), "more than there is room for"

    @rule()
    def messages_arrive(self) -> None:
        for message, frames in self.travelling:
            self.arrive(message, frames)
        self.travelling.clear()

    @rule(data=st.data())
    def the_connection_breaks(self, data: Any) -> None:
        """Part of what was sent arrives. The client gets a new identity, under which it submits again."""
        self.part_arrives(data)
        self.client = f"client-{next(self.names)}".encode()
        self.send_everything()

    def part_arrives(self, data: Any) -> None:
        arrived = data.draw(st.integers(0, len(self.travelling)))
        for message, frames in self.travelling[:arrived]:
            self.arrive(message, frames)
        self.travelling.clear()

    def send_everything(self) -> None:
        self.refused.clear()
        for request in list(self.awaited):
            self.send(request)

    def arrive(self, message: messages.ToClient, frames: tuple[Any, ...]) -> None:
        assert message.request in self.awaited, "a message about a request that has ended"
        if isinstance(message, messages.RequestOutput):
            said = self.events[message.request].setdefault((message.stage, message.path), frames[0])
            assert said == frames[0]
        elif isinstance(message, messages.Outcome):
            assert message.request not in self.refused
            if message.outcome == "rejected" and self.awaited[message.request].patient and message.retry_after_s:
                self.refused.add(message.request)
                return
            del self.awaited[message.request]
            self.outcomes[message.request] = message.outcome
            if message.outcome == "ok":
                self.check_answer(message.request)

    def check_answer(self, request: str) -> None:
        expected = whole_answer(request)
        for stage in STAGES:
            said = {path: text for (of, path), text in self.events[request].items() if of == stage}
            assert list(said) == sorted(said), "outputs out of order"
            assert list(said.values()) == expected[stage], "an answer with an output missing or doubled"

    @precondition(lambda self: self.refused)
    @rule(data=st.data())
    def send_again(self, data: Any) -> None:
        request = data.draw(st.sampled_from(sorted(self.refused)))
        self.refused.remove(request)
        self.submit_to_queue(request)

    @precondition(lambda self: self.awaited)
    @rule(data=st.data())
    def cancel(self, data: Any) -> None:
        self.scheduler.cancel(self.client, data.draw(st.sampled_from(sorted(self.awaited))), self.now)

    @precondition(lambda self: self.awaited)
    @rule(data=st.data())
    def a_stranger_cancels_in_vain(self, data: Any) -> None:
        before = self.scheduler.open_requests
        self.scheduler.cancel(b"stranger", data.draw(st.sampled_from(sorted(self.awaited))), self.now)
        assert self.scheduler.open_requests == before

    # replicas

    @initialize()
    def one_of_each(self) -> None:
        for stage in STAGES:
            self.join(stage)

    @rule(stage=st.sampled_from(STAGES))
    def join(self, stage: str) -> None:
        name = f"{stage}-{next(self.names)}"
        self.replicas[name] = PlayedReplica(stage)
        self.scheduler.replica_ready(name, stage, self.now)

    def named(self, data: Any, names: list[str]) -> tuple[str, PlayedReplica]:
        name = data.draw(st.sampled_from(names))
        return name, self.replicas[name]

    def busy(self) -> list[str]:
        return [name for name, replica in self.replicas.items() if replica.batch]

    def unread(self) -> list[str]:
        return [name for name in self.busy() if not any(self.replicas[name].sent)]

    def unknown_replicas(self) -> list[str]:
        return [name for name, replica in self.replicas.items() if not replica.known]

    @precondition(lambda self: self.busy())
    @rule(data=st.data(), place=st.integers(0, 1))
    def output(self, data: Any, place: int) -> None:
        name, replica = self.named(data, self.busy())
        self.yield_one(name, replica, place % len(replica.payloads))

    def yield_one(self, name: str, replica: PlayedReplica, place: int) -> bool:
        payload, index = replica.payloads[place], replica.sent[place]
        if index == outputs_of(payload):
            return False
        replica.sent[place] += 1
        assert replica.batch is not None
        item = replica.batch.jobs[place]
        meta = messages.Meta(YIELDS[STAGES.index(replica.stage)], 5.0)
        self.scheduler.output(
            messages.Output(name, item.job, item.attempt, index, meta), f"{payload}.{index}", self.now
        )
        return True

    @precondition(lambda self: self.busy())
    @rule(data=st.data(), place=st.integers(0, 1))
    def an_output_is_lost_on_its_way(self, data: Any, place: int) -> None:
        _, replica = self.named(data, self.busy())
        place %= len(replica.payloads)
        if replica.sent[place] < outputs_of(replica.payloads[place]):
            replica.sent[place] += 1
            self.unlucky.update(requests_of(replica))

    @precondition(lambda self: self.busy())
    @rule(data=st.data(), end=st.sampled_from(["", "", "", "error", "expired"]))
    def done(self, data: Any, end: str) -> None:
        name, replica = self.named(data, self.busy())
        if end == "expired" and any(replica.sent):
            end = ""
        self.finish(name, replica, end)

    def finish(self, name: str, replica: PlayedReplica, end: str = "") -> None:
        """It ends its batch; if there is a poison in it, it dies and is replaced."""
        if replica.stage == POISONED_STAGE and any(map(is_poison, replica.payloads)):
            self.held_at_a_death |= self.leased_to(replica)
            del self.replicas[name]
            self.scheduler.replica_gone(name, "killed", self.now)
            self.join(replica.stage)
            return
        for place in range(len(replica.payloads)):
            while not end and self.yield_one(name, replica, place):
                pass
        assert replica.batch is not None
        jobs = tuple(
            messages.JobEnd(item.job, item.attempt, sent, 0.1, "bad" if end == "error" else "", end == "expired")
            for item, sent in zip(replica.batch.jobs, replica.sent, strict=True)
        )
        replica.batch, replica.leased = None, False
        self.scheduler.batch_ended(messages.BatchEnd(name, 0.1, jobs), self.now)
        if replica.draining:
            self.leave(name)

    def leased_to(self, replica: PlayedReplica) -> set[int]:
        return {lease.job for lease in replica.batch.jobs} if replica.batch and replica.leased else set()

    def lose_lease(self, replica: PlayedReplica) -> None:
        """Notes what the scheduler will take for a death that no poison caused."""
        self.held_at_a_death |= self.leased_to(replica)
        self.unlucky.update(requests_of(replica))

    def leave(self, name: str) -> None:
        self.scheduler.replica_gone(name, "it left", self.now, died=False)
        del self.replicas[name]

    @precondition(lambda self: self.replicas)
    @rule(data=st.data())
    def die(self, data: Any) -> None:
        name, replica = self.named(data, sorted(self.replicas))
        self.lose_lease(replica)
        del self.replicas[name]
        self.scheduler.replica_gone(name, "killed", self.now, "its stack")

    @precondition(lambda self: self.replicas)
    @rule(data=st.data())
    def ask_to_leave(self, data: Any) -> None:
        """SIGTERM: it finishes the batch that it has begun, and does not begin another."""
        name, replica = self.named(data, sorted(self.replicas))
        if name in self.unread() or replica.batch is None:
            self.leave(name)
        else:
            replica.draining = True

    @precondition(lambda self: self.replicas)
    @rule(data=st.data())
    def drain(self, data: Any) -> None:
        name, replica = self.named(data, sorted(self.replicas))
        self.scheduler.drain_replica(name)
        assert replica.draining
        if replica.batch is None:
            self.leave(name)

    @precondition(lambda self: self.replicas)
    @rule(data=st.data())
    def fall_silent(self, data: Any) -> None:
        """It is taken for dead, and computes on."""
        name, replica = self.named(data, sorted(self.replicas))
        self.lose_lease(replica)
        self.scheduler.replica_gone(name, "no sign of life", self.now)
        replica.known = replica.leased = False

    @precondition(lambda self: self.unread())
    @rule(data=st.data())
    def a_batch_is_lost_on_its_way(self, data: Any) -> None:
        name, replica = self.named(data, self.unread())
        if not replica.draining:
            self.lose_lease(replica)
        replica.batch, replica.leased = None, False
        if replica.draining:
            self.leave(name)
        elif replica.known:
            self.scheduler.replica_ready(name, replica.stage, self.now)

    @precondition(lambda self: self.unknown_replicas())
    @rule(data=st.data())
    def heartbeat(self, data: Any) -> None:
        """The heartbeat of a replica that the broker does not know: it is asked for Ready, once it is idle."""
        name, replica = self.named(data, self.unknown_replicas())
        self.resync(name, replica)

    def resync(self, name: str, replica: PlayedReplica) -> None:
        if replica.batch is not None:
            self.finish(name, replica)
        if name in self.replicas and not replica.draining:
            replica.known = True
            self.scheduler.replica_ready(name, replica.stage, self.now)

    # the broker and its supervisor

    @rule(data=st.data())
    def kill_the_broker(self, data: Any) -> None:
        """Part of what it sent arrives. Replicas compute on, and the ends of some batches are lost with the broker."""
        self.part_arrives(data)
        for replica in self.replicas.values():
            replica.known = replica.leased = False
            if replica.batch is not None and data.draw(st.booleans()):
                replica.batch = None
        self.begin_broker()
        self.send_everything()

    @precondition(lambda self: not self.down)
    @rule(stage=st.sampled_from(STAGES), sure=st.integers(0, 4))
    def give_up_a_stage(self, stage: str, sure: int) -> None:
        if sure == 0:  # seldom: no request is admitted while it is down
            self.down = stage
            self.scheduler.stage_down(stage, "no memory", self.now)

    @precondition(lambda self: self.down)
    @rule()
    def try_the_stage_again(self) -> None:
        self.scheduler.stage_up(self.down, self.now)
        self.down = ""

    @rule(step=st.floats(0.1, 2))
    def time_passes(self, step: float) -> None:
        self.now += step
        self.scheduler.tick(self.now)
        ended = {message.request for message, _ in self.travelling if isinstance(message, messages.Outcome)}
        overdue = {request for request, awaited in self.awaited.items() if awaited.deadline_at <= self.now}
        assert overdue <= ended | self.refused, "a request that outlives its deadline"

    # invariants

    @invariant()
    def every_request_is_somewhere(self) -> None:
        ending = [message.request for message, _ in self.travelling if isinstance(message, messages.Outcome)]
        assert len(ending) == len(set(ending)), "two outcomes of one request"
        assert self.scheduler.open_requests + len(ending) + len(self.refused) == len(self.awaited)

    @invariant()
    def the_counts_agree(self) -> None:
        for info in self.scheduler.stages.infos({}):
            replicas = [replica for replica in self.replicas.values() if replica.stage == info.name]
            assert info.in_service == sum(len(replica.payloads) for replica in replicas if replica.leased)
            told_to_drain = sum(replica.known and replica.draining for replica in replicas)
            known = sum(replica.known for replica in replicas)
            assert known - told_to_drain <= info.ready <= known

    def teardown(self) -> None:
        """No more faults: every replica finishes, and every request is admitted in the end."""
        for name, replica in list(self.replicas.items()):
            if not replica.known:
                self.resync(name, replica)
        if self.down:
            self.try_the_stage_again()
        for stage in STAGES:
            self.join(stage)
        while self.awaited:
            before = (len(self.awaited), len(self.refused), self.scheduler.open_requests, len(self.travelling))
            busy = self.busy()
            for name in busy:
                if name in self.replicas and self.replicas[name].batch:
                    self.finish(name, self.replicas[name])
            self.messages_arrive()
            for request in list(self.refused):
                self.refused.remove(request)
                self.send(request)
            after = (len(self.awaited), len(self.refused), self.scheduler.open_requests, len(self.travelling))
            assert busy or before != after, f"no progress with {sorted(self.awaited)}"
        for name in self.busy():  # on jobs of requests that have ended
            self.finish(name, self.replicas[name])
        for info in self.scheduler.stages.infos({}):
            assert (info.queued, info.in_service) == (0, 0)
        assert self.scheduler._memory.held_bytes == 0
        assert set(self.letters) >= {request for request, end in self.outcomes.items() if end == "dead_letter"}
        self.check_credits()

    def check_credits(self) -> None:
        """Each idle replica of the first stage gets one of as many requests: no credit is lost or doubled.

        There are no more of them than the next stage has room for.
        """
        idle = [r for r in self.replicas.values() if r.stage == "listen" and r.known and not r.draining]
        for _ in idle:
            self.send_new(AwaitedRequest(math.inf, "interactive", patient=False, follows=False))
        leased = [len(replica.payloads) for replica in idle if replica.batch]
        assert leased == [1] * min(len(idle), QUEUE_ITEMS)


AnyOrder.TestCase.settings = settings(max_examples=500, stateful_step_count=50, deadline=None)
TestAnyOrder = AnyOrder.TestCase
