"""The metrics count every request and every job once."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from workers.broker.metrics import OUTCOMES, STATES, Metrics
from workers.scheduling.path_order import PathOrder
from workers.scheduling.request import Request
from workers.scheduling.scheduler import Scheduler
from workers.scheduling.stage import StagePlan
from workers.wire.messages import BatchEnd, BatchLease, JobEnd, Meta, Outcome, ReplicaStatus, StageInfo, Submit


def request(submitted_at: float = 0.0) -> Request:
    order: PathOrder[Any] = PathOrder(1)
    return Request("r", b"c", "interactive", submitted_at, float("inf"), False, order)


def samples(metrics: Metrics, replicas: int = 1, busy: frozenset[str] = frozenset()) -> dict[tuple[str, ...], float]:
    info = StageInfo("speak", "module", replicas, 0, 1, 0, 0)
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in metrics.families([info], busy)
        for sample in family.samples
    }


def states(metrics: Metrics, **options: Any) -> dict[str, float]:
    """The states that some replica is in."""
    seen = samples(metrics, **options)
    counts = {state: seen["relevo_replicas", "speak", state] for state in STATES}
    return {state: count for state, count in counts.items() if count}


def test_a_replica_is_seen_in_one_state_from_its_start_to_its_end():
    metrics = Metrics(["speak"], [])
    assert states(metrics) == {"dead": 1}
    for state in ("loading", "warming", "ready"):
        metrics.replica_status(ReplicaStatus("a", "speak", state))
        assert states(metrics) == {state: 1}
    assert states(metrics, busy={"a"}) == {"busy": 1}
    metrics.replica_status(ReplicaStatus("a", "speak", "busy"))
    assert states(metrics) == {"ready": 1}  # its last heartbeat is older than the end of its job
    metrics.draining("a")
    assert states(metrics, replicas=0) == {"draining": 1}
    metrics.replica_status(ReplicaStatus("a", "speak", "busy"))
    assert states(metrics) == {"draining": 1, "dead": 1}  # its replacement is not there yet
    metrics.replica_status(ReplicaStatus("a", "speak", "dead"))
    metrics.replica_gone("a")
    assert states(metrics, replicas=0) == {}


def test_memory_is_that_of_a_stages_replicas_together():
    metrics = Metrics(["speak"], [])
    for name in ("a", "b"):
        metrics.replica_status(ReplicaStatus(name, "speak", "ready", rss_bytes=100))
    metrics.replica_status(ReplicaStatus("a", "speak", "ready"))  # not every message tells it
    assert samples(metrics)["relevo_replica_rss_bytes", "speak"] == 200


def test_the_first_audio_is_the_first_that_can_be_heard():
    metrics, asked = Metrics(["speak"], []), request(submitted_at=10.0)
    metrics.audio_out(asked, Meta("audio", 2.0, silence_s=2.0), now=11.0)
    assert samples(metrics)["relevo_time_to_first_audio_seconds_count",] == 0
    metrics.audio_out(asked, Meta("audio", 3.0, silence_s=0.5), now=12.0)
    metrics.audio_out(asked, Meta("audio", 3.0, silence_s=0.0), now=13.0)
    metrics.audio_out(request(), Meta("text", 3.0), now=13.0)
    seen = samples(metrics)
    assert seen["relevo_time_to_first_audio_seconds_count",] == 1
    assert seen["relevo_time_to_first_audio_seconds_sum",] == (12.0 - 10.0) + 2.0 + 0.5
    assert seen["relevo_audio_seconds_total", "out"] == 8.0


class PlayedStage:
    """A stage whose replicas and clients the test plays, with counts of its own."""

    def __init__(self) -> None:
        self.metrics = Metrics(["speak"], [])
        self.scheduler = Scheduler([StagePlan("speak", queue_items=3)], self, 2, observer=self.metrics)
        self.now = 0.0
        self.submitted = 0
        self.outcomes: Counter[str] = Counter()
        self.leases: dict[str, BatchLease] = {}

    def to_client(self, client: bytes, message: Any, *frames: Any) -> None:
        if isinstance(message, Outcome):
            self.outcomes[message.outcome] += 1

    def to_replica(self, replica: str, message: Any, *frames: Any) -> None:
        if isinstance(message, BatchLease):
            self.leases[replica] = message

    def dead_letter(self, *_: Any) -> None:
        pass

    def deaths_explained(self, *_: Any) -> None:
        pass

    def submit(self, number: int) -> None:
        self.submitted += 1
        deadline_s = {0: 0.0, 1: 2.5}.get(number)
        submit = Submit(f"r{self.submitted}", Meta("audio" if number == 2 else "text", 1.0), deadline_s)
        self.scheduler.submit(b"c", submit, b"", self.now)

    def join(self, number: int) -> None:
        self.leases.pop(f"a{number}", None)
        self.scheduler.replica_ready(f"a{number}", "speak", self.now)

    def done(self, number: int, error: str = "") -> None:
        for replica, work in list(self.leases.items())[number : number + 1]:
            del self.leases[replica]
            ended = tuple(JobEnd(item.job, item.attempt, 0, 0.5, error) for item in work.jobs)
            self.scheduler.batch_ended(BatchEnd(replica, 0.5, ended), self.now)

    def fail(self, number: int) -> None:
        self.done(number, "bad")

    def die(self, number: int) -> None:
        self.leases.pop(f"a{number}", None)
        self.scheduler.replica_gone(f"a{number}", "killed", self.now)

    def cancel(self, number: int) -> None:
        self.scheduler.cancel(b"c", f"r{number}", self.now)

    def tick(self, _: int) -> None:
        self.now += 1.0
        self.scheduler.tick(self.now)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["submit", "submit", "join", "done", "fail", "die", "cancel", "tick"]), st.integers(0, 3)
        ),
        max_size=80,
    )
)
def test_every_request_and_every_job_is_counted_once_whatever_happens(events):
    play = PlayedStage()
    for what, number in events:
        getattr(play, what)(number)
    seen = samples(play.metrics)
    counted = {outcome: seen["relevo_requests_total", outcome] for outcome in OUTCOMES}
    assert counted == dict.fromkeys(OUTCOMES, 0) | play.outcomes
    assert sum(counted.values()) + play.scheduler.open_requests == play.submitted
    jobs = {labels[1]: count for labels, count in seen.items() if labels[0] == "relevo_stage_jobs_total"}
    assert jobs["ok"] == counted["ok"]  # each admitted request is one job here
    assert jobs["dead_letter"] == counted["dead_letter"]
    assert jobs["cancelled"] == counted["cancelled"]
    assert jobs["failed"] <= counted["failed"]  # the others failed at admission
