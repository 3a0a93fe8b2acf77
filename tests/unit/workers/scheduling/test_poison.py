"""A poison (a job under which its replica dies) takes no other job with it."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.scheduling.scheduler import Scheduler
from workers.scheduling.stage import StagePlan
from workers.wire import messages

TEXT = messages.Meta("text", 1.0)


class PoisonedStage:
    """One stage whose replicas die when they compute a batch with a poison; a payload says whether it is one."""

    def __init__(self, replicas: int, max_attempts: int = 3, max_batch: int = 8) -> None:
        self.scheduler = Scheduler([StagePlan("speak", max_batch=max_batch, queue_items=10**6)], self, max_attempts)
        self.names = itertools.count()
        self.leases: dict[str, tuple[messages.BatchLease, tuple[bool, ...]]] = {}
        self.outcomes: dict[str, str] = {}
        self.explained: set[str] = set()
        self.died: list[str] = []
        self.held_at_a_death: set[int] = set()
        for _ in range(replicas):
            self.join()

    def to_client(self, client: bytes, message: messages.ToClient, *frames: Any) -> None:
        if isinstance(message, messages.Outcome):
            assert message.request not in self.outcomes
            self.outcomes[message.request] = message.outcome

    def to_replica(self, replica: str, message: messages.ToReplica, *frames: Any) -> None:
        if isinstance(message, messages.BatchLease):
            jobs = {lease.job for lease in message.jobs}
            assert len(jobs) == 1 or not jobs & self.held_at_a_death, "a suspect in company"
            self.leases[replica] = message, frames

    def dead_letter(self, job: Any, stage: str, reason: str, log_tail: str) -> None:
        assert job.frame, "an innocent job became a dead letter"
        assert job.alone

    def deaths_explained(self, replicas: tuple[str, ...]) -> None:
        self.explained.update(replicas)

    def join(self) -> None:
        self.scheduler.replica_ready(f"speak-{next(self.names)}", "speak", 0.0)

    def submit(self, poison: bool) -> None:
        message = messages.Submit(f"r{len(self.outcomes) + self.scheduler.open_requests}", TEXT)
        self.scheduler.submit(b"c", message, poison, 0.0)

    def compute(self, place: int) -> None:
        """One of the busy replicas finishes its batch, or dies and is replaced."""
        replica = list(self.leases)[place % len(self.leases)]
        lease, poisons = self.leases.pop(replica)
        if any(poisons):
            self.died.append(replica)
            self.held_at_a_death.update(job.job for job in lease.jobs)
            self.scheduler.replica_gone(replica, "killed", 0.0)
            self.join()
        else:
            ended = tuple(messages.JobEnd(job.job, job.attempt, 0, 0.1) for job in lease.jobs)
            self.scheduler.batch_ended(messages.BatchEnd(replica, 0.1, ended), 0.0)

    def work_off(self) -> Counter[str]:
        """Lets the replicas take turns until nothing is left; returns how many requests ended in which way."""
        for turn in itertools.count():
            if not self.leases:
                return Counter(self.outcomes.values())
            self.compute(turn)
        raise AssertionError


@pytest.mark.parametrize("max_attempts", [1, 2, 3])
def test_the_seven_innocents_beside_a_poison_pass(max_attempts):
    stage = PoisonedStage(replicas=0, max_attempts=max_attempts)
    for number in range(8):
        stage.submit(number == 3)
    stage.join()
    assert len(stage.leases["speak-0"][0].jobs) == 8
    assert stage.work_off() == {"ok": 7, "dead_letter": 1}
    assert stage.outcomes["r3"] == "dead_letter"
    assert len(stage.died) == max(max_attempts, 2)
    assert stage.explained == set(stage.died)


def test_of_a_thousand_requests_fifty_poisons_alone_become_dead_letters():
    stage = PoisonedStage(replicas=4)
    for number in range(1000):
        stage.submit(number % 20 == 7)
    assert stage.work_off() == {"ok": 950, "dead_letter": 50}
    assert {request for request, end in stage.outcomes.items() if end == "dead_letter"} == {
        f"r{number}" for number in range(7, 1000, 20)
    }
    assert stage.explained == set(stage.died)


def test_a_single_death_explains_nothing():
    stage = PoisonedStage(replicas=1, max_attempts=1)
    stage.submit(True)
    assert stage.work_off() == {"dead_letter": 1}
    assert stage.explained == set()


def test_a_suspect_does_not_wait_for_its_batch_to_fill():
    stage = PoisonedStage(replicas=0)
    stage.scheduler = Scheduler([StagePlan("speak", max_batch=2, max_wait_s=5.0)], stage)
    stage.submit(False)
    stage.submit(True)
    stage.join()
    stage.compute(0)
    (lease, _) = stage.leases["speak-1"]
    assert len(lease.jobs) == 1


@settings(deadline=None)
@given(st.data(), st.integers(1, 4), st.integers(1, 3), st.integers(1, 8))
def test_in_any_order_the_innocent_pass_and_every_poison_dies_alone(data, replicas, max_attempts, max_batch):
    stage = PoisonedStage(replicas, max_attempts, max_batch)
    poisons = data.draw(st.lists(st.sampled_from([True] + [False] * 19), max_size=60))
    for poison in poisons:
        stage.submit(poison)
        for _ in range(data.draw(st.integers(0, 1))):
            if stage.leases:
                stage.compute(data.draw(st.integers(0, 3)))
    assert stage.work_off() == Counter("dead_letter" if poison else "ok" for poison in poisons)
