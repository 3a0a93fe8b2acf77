"""What the scheduler decides, event by event; test_scheduler_states.py has them in any order."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from workers.scheduling.scheduler import Scheduler
from workers.scheduling.stage import StagePlan, expected_wait_s
from workers.wire import codec, messages

STAGES = ("listen", "translate", "speak")
AUDIO, TEXT = messages.Meta("audio", 1.0), messages.Meta("text", 10.0)


class Recorder:
    """A delivery that keeps what is sent."""

    def __init__(self) -> None:
        self.client_messages: list[messages.ToClient] = []
        self.replica_messages: list[tuple[str, messages.ToReplica]] = []
        self.letters: list[tuple[str, str, str]] = []
        self.explained: list[tuple[str, ...]] = []

    def to_client(self, client: bytes, message: messages.ToClient, *frames: Any) -> None:
        self.client_messages.append(message)

    def to_replica(self, replica: str, message: messages.ToReplica, *frames: Any) -> None:
        self.replica_messages.append((replica, message))

    def dead_letter(self, job: Any, stage: str, reason: str, log_tail: str) -> None:
        self.letters.append((job.request.id, stage, log_tail))

    def deaths_explained(self, replicas: tuple[str, ...]) -> None:
        self.explained.append(replicas)

    def outcomes(self) -> dict[str, list[messages.Outcome]]:
        found: dict[str, list[messages.Outcome]] = defaultdict(list)
        for message in self.client_messages:
            if isinstance(message, messages.Outcome):
                found[message.request].append(message)
        return found

    def leases(self, replica: str) -> list[messages.BatchLease]:
        return [m for name, m in self.replica_messages if name == replica and isinstance(m, messages.BatchLease)]

    def outputs(self, request: str) -> list[messages.RequestOutput]:
        return [m for m in self.client_messages if isinstance(m, messages.RequestOutput) and m.request == request]


def make(delivery: Recorder, numbers_from: int = 1, **changes: Any) -> Scheduler:
    plans = [StagePlan(name, "audio" if name == "listen" else "text", **changes) for name in STAGES]
    return Scheduler(plans, delivery, 2, numbers_from)


class PlayedRelay:
    """A scheduler with replicas that are played by the test."""

    def __init__(self, **changes: Any) -> None:
        self.delivery = Recorder()
        self.scheduler = make(self.delivery, **changes)
        self.now = 0.0
        self.seen: dict[str, int] = {}  # replica → batches that it has finished
        self.sent: dict[tuple[str, int], int] = {}  # outputs of a job by a replica

    def submit(self, request: str, **changes: Any) -> None:
        self.scheduler.submit(b"c", messages.Submit(request, AUDIO, **changes), b"", self.now)

    def join(self, replica: str) -> None:
        self.seen.setdefault(replica, 0)
        self.scheduler.replica_ready(replica, replica.split("-")[0], self.now)

    def held(self, replica: str) -> messages.BatchLease | None:
        leases = self.delivery.leases(replica)
        return leases[self.seen[replica]] if len(leases) > self.seen[replica] else None

    def output(self, replica: str, place: int = 0) -> bool:
        work = self.held(replica)
        assert work is not None
        item = work.jobs[place % len(work.jobs)]
        index = self.sent.get((replica, item.job), 0)
        self.sent[replica, item.job] = index + 1
        meta = AUDIO if replica.startswith("speak") else TEXT
        return self.scheduler.output(messages.Output(replica, item.job, item.attempt, index, meta), b"", self.now)

    def done(self, replica: str, error: str = "") -> None:
        work = self.held(replica)
        assert work is not None
        self.seen[replica] += 1
        ended = tuple(
            messages.JobEnd(item.job, item.attempt, self.sent.get((replica, item.job), 0), 0.1, error)
            for item in work.jobs
        )
        self.scheduler.batch_ended(messages.BatchEnd(replica, 0.1, ended), self.now)

    def work_off(self, replicas: list[str]) -> None:
        """Lets the replicas finish every job with one output each."""
        while busy := [replica for replica in replicas if self.held(replica)]:
            for replica in busy:
                work = self.held(replica)
                assert work is not None
                for place, item in enumerate(work.jobs):
                    if (replica, item.job) not in self.sent:
                        self.output(replica, place)
                self.done(replica)

    def outcome(self, request: str) -> messages.Outcome:
        (outcome,) = self.delivery.outcomes()[request]
        return outcome


@pytest.fixture
def relay() -> PlayedRelay:
    made = PlayedRelay()
    for stage in STAGES:
        made.join(f"{stage}-0")
    return made


ALL = [f"{stage}-0" for stage in STAGES]


def test_a_request_passes_every_stage_and_ends_ok(relay):
    relay.submit("a")
    relay.work_off(ALL)
    assert relay.outcome("a").outcome == "ok"
    assert [span.stage for span in relay.outcome("a").spans] == list(STAGES)
    assert [output.stage for output in relay.delivery.outputs("a")] == list(STAGES)


def test_spans_are_in_the_order_in_which_service_began_whatever_ends_first(relay):
    relay.submit("a")
    relay.now += 1
    relay.output("listen-0")
    relay.now += 1
    relay.output("translate-0")
    relay.done("translate-0")
    relay.done("listen-0")
    relay.done("speak-0")
    spans = relay.outcome("a").spans
    assert [(span.stage, span.start_s) for span in spans] == [("listen", 0), ("translate", 1), ("speak", 2)]


def test_a_job_without_outputs_ends_its_request_ok_before_the_later_stages(relay):
    relay.submit("a")
    relay.done("listen-0")
    assert relay.outcome("a").outcome == "ok"
    assert relay.delivery.leases("translate-0") == []


def test_a_replica_that_holds_a_batch_gets_no_other(relay):
    relay.submit("a")
    relay.submit("b")
    assert len(relay.delivery.leases("listen-0")) == 1


def test_a_greedy_batch_takes_the_queued_jobs_up_to_its_bounds():
    relay = PlayedRelay(max_batch=3, max_batch_cost=2.0)
    for name in "abcd":
        relay.submit(name)
    relay.join("listen-0")
    assert len(relay.delivery.leases("listen-0")[0].jobs) == 2  # each costs 1 s of audio


def test_a_batch_that_is_not_full_waits_at_most_max_wait_s():
    relay = PlayedRelay(max_batch=2, max_wait_s=5.0)
    relay.join("listen-0")
    relay.submit("a")
    assert relay.delivery.leases("listen-0") == []
    assert relay.scheduler.next_tick_at() == 5.0
    relay.now = 5.0
    relay.scheduler.tick(relay.now)
    assert len(relay.delivery.leases("listen-0")[0].jobs) == 1


def test_a_dead_replicas_job_goes_first_and_its_outputs_are_not_sent_twice():
    relay = PlayedRelay()
    relay.join("listen-0")
    relay.submit("a", progress=True)
    relay.submit("b")
    relay.output("listen-0")
    relay.scheduler.replica_gone("listen-0", "killed", relay.now)
    relay.join("listen-1")
    work = relay.held("listen-1")
    assert work is not None
    assert work.jobs[0].attempt == 2
    relay.output("listen-1")  # the same output again
    relay.output("listen-1")
    assert [output.path for output in relay.delivery.outputs("a")] == [(0,), (1,)]


def test_a_job_that_a_leaving_replica_had_not_begun_keeps_its_attempt():
    relay = PlayedRelay()
    relay.submit("a")
    for number in range(3):
        relay.join(f"listen-{number}")
        relay.scheduler.replica_gone(f"listen-{number}", "it left", relay.now, died=False)
    relay.join("listen-3")
    assert relay.delivery.leases("listen-3")[0].jobs[0].attempt == 1


def test_a_job_whose_replicas_die_becomes_a_dead_letter():
    relay = PlayedRelay()
    relay.submit("a")
    for number in range(2):
        relay.join(f"listen-{number}")
        relay.scheduler.replica_gone(f"listen-{number}", "killed by SIGKILL", relay.now, "its stack")
    assert relay.outcome("a").outcome == "dead_letter"
    assert relay.delivery.letters == [("a", "listen", "its stack")]
    assert relay.delivery.explained == [("listen-0", "listen-1")]
    assert "killed by SIGKILL" in relay.outcome("a").reason


def test_a_job_whose_output_was_lost_is_tried_again(relay):
    relay.submit("a", progress=True)
    relay.join("listen-1")
    first = relay.held("listen-0").jobs[0]
    lost = messages.JobEnd(first.job, first.attempt, 2, 0.1)
    relay.output("listen-0")
    relay.seen["listen-0"] += 1
    relay.scheduler.batch_ended(messages.BatchEnd("listen-0", 0.1, (lost,)), relay.now)  # of two outputs, one came
    again = relay.held("listen-1").jobs[0]
    assert (again.job, again.attempt) == (first.job, 2)
    relay.output("listen-1")
    relay.output("listen-1")
    relay.done("listen-1")
    relay.work_off([*ALL, "listen-1"])
    assert relay.outcome("a").outcome == "ok"
    assert [output.path for output in relay.delivery.outputs("a") if output.stage == "listen"] == [(0,), (1,)]


def test_outputs_of_a_lost_lease_are_dropped(relay):
    relay.submit("a")
    relay.scheduler.replica_gone("listen-0", "silent", relay.now)
    assert relay.output("listen-0") is False
    assert relay.delivery.outputs("a") == []


def test_messages_about_an_earlier_brokers_job_are_ignored():
    earlier, later = PlayedRelay(), PlayedRelay(numbers_from=1000)
    for relay in (earlier, later):
        relay.join("listen-0")
        relay.submit("a" if relay is earlier else "b", progress=True)
    stale = earlier.held("listen-0").jobs[0]
    assert later.scheduler.output(messages.Output("listen-0", stale.job, 1, 0, TEXT), b"", 0.0) is False
    later.scheduler.batch_ended(messages.BatchEnd("listen-0", 0.1, (messages.JobEnd(stale.job, 1, 1, 0.1),)), 0.0)
    assert later.delivery.outcomes() == {}
    later.work_off(["listen-0"])
    assert [output.path for output in later.delivery.outputs("b")] == [(0,)]


def test_the_end_of_a_lost_lease_does_not_end_the_job_that_is_leased_again(relay):
    relay.submit("a")
    first = relay.held("listen-0").jobs[0]
    relay.seen["listen-0"] += 1
    relay.join("listen-0")  # a second Ready: the job is leased to it again
    relay.scheduler.batch_ended(
        messages.BatchEnd("listen-0", 0.1, (messages.JobEnd(first.job, first.attempt, 1, 0.1),)), relay.now
    )
    assert relay.delivery.outcomes() == {}
    relay.work_off(ALL)
    assert [output.stage for output in relay.delivery.outputs("a")] == list(STAGES)
    assert relay.outcome("a").outcome == "ok"


def test_a_full_queue_holds_back_the_stage_before():
    relay = PlayedRelay(queue_items=1)
    relay.join("listen-0")
    relay.submit("a")
    relay.submit("b")
    relay.output("listen-0")
    relay.done("listen-0")
    assert relay.held("listen-0") is None  # "a" waits for translate, which has no replica
    relay.join("translate-0")
    assert relay.held("listen-0") is not None


def test_a_full_entry_queue_rejects_with_the_wait_to_expect():
    relay = PlayedRelay(queue_items=1)
    relay.submit("a")
    relay.submit("b")
    assert relay.outcome("b").outcome == "rejected"
    assert relay.outcome("b").retry_after_s > 0


def test_the_wait_to_expect_follows_from_the_queued_cost_and_the_measured_rate():
    relay = PlayedRelay(queue_items=2)
    relay.join("listen-0")
    relay.submit("a")
    relay.output("listen-0")
    relay.done("listen-0")  # which took 0.1 s for 1 s of audio
    for seconds in (1.0, 1.0, 6.0):
        request = f"{relay.scheduler.open_requests}"
        relay.scheduler.submit(b"c", messages.Submit(request, messages.Meta("audio", seconds)), b"", relay.now)
    assert expected_wait_s(relay.scheduler.stages.in_order) == pytest.approx(0.8)  # one in service, two queued
    relay.submit("late")
    assert relay.outcome("late").retry_after_s == pytest.approx(0.8)


def test_jobs_that_failed_or_expired_do_not_change_the_rate(relay):
    relay.submit("a")
    relay.done("listen-0", error="no")
    relay.submit("b")
    assert expected_wait_s(relay.scheduler.stages.in_order) == 0.0


def test_interactive_jobs_go_first_and_batch_jobs_do_not_starve():
    relay = PlayedRelay()
    relay.submit("batch", priority="batch")
    for number in range(9):
        relay.submit(f"i{number}")
    relay.join("listen-0")
    order = []
    while relay.held("listen-0"):
        order.append(relay.held("listen-0").jobs[0].job)
        relay.done("listen-0")
    batch_job = min(order)
    assert order.index(batch_job) == 4


def test_deadlines_are_checked_at_admission_in_the_queue_and_at_dispatch():
    relay = PlayedRelay()
    relay.submit("door", deadline_s=0.0)
    assert relay.outcome("door").outcome == "expired"
    relay.submit("queue", deadline_s=1.0)
    relay.now = 1.0
    relay.scheduler.tick(relay.now)
    assert relay.outcome("queue").outcome == "expired"
    relay.submit("late", deadline_s=1.0)
    relay.now = 2.0
    relay.join("listen-0")
    assert relay.outcome("late").outcome == "expired"
    assert relay.delivery.leases("listen-0") == []


def test_a_request_ends_at_its_deadline_though_a_replica_computes_it(relay):
    relay.submit("late", deadline_s=1.0, progress=True)
    relay.output("listen-0")
    leased = {replica: relay.held(replica).jobs[0] for replica in ("listen-0", "translate-0")}
    assert relay.scheduler.next_tick_at() == 1.0
    relay.now = 1.0
    relay.scheduler.tick(relay.now)
    assert relay.outcome("late").outcome == "expired"
    abandoned = [each for each in relay.delivery.replica_messages if isinstance(each[1], messages.AbandonJob)]
    assert abandoned == [(replica, messages.AbandonJob(lease.job)) for replica, lease in leased.items()]
    said = len(relay.delivery.client_messages)
    for replica in leased:
        assert relay.output(replica) is False
        relay.done(replica)
    assert len(relay.delivery.client_messages) == said
    relay.submit("next")
    relay.work_off(ALL)
    assert relay.outcome("next").outcome == "ok"


def test_nothing_is_sent_about_a_request_after_its_outcome(relay):
    relay.submit("late", deadline_s=1.0)
    relay.now = 1.0
    relay.output("listen-0")  # its request expires as the next stage dispatches
    assert relay.outcome("late").outcome == "expired"
    assert relay.delivery.client_messages[-1] == relay.outcome("late")


def test_cancel_empties_the_queue_and_abandons_the_leased_jobs(relay):
    relay.submit("runs")
    relay.submit("waits")
    for request in ("runs", "waits"):
        relay.scheduler.cancel(b"c", request, relay.now)
        assert relay.outcome(request).outcome == "cancelled"
    abandoned = [m for _, m in relay.delivery.replica_messages if isinstance(m, messages.AbandonJob)]
    assert len(abandoned) == 1
    assert relay.scheduler.open_requests == 0


def test_another_client_cannot_cancel(relay):
    relay.submit("a")
    relay.scheduler.cancel(b"other", "a", relay.now)
    assert relay.delivery.outcomes()["a"] == []


def test_submitting_again_under_the_same_id_changes_nothing(relay):
    relay.submit("a")
    relay.submit("a")
    relay.work_off(ALL)
    assert relay.outcome("a").outcome == "ok"


def test_submitting_again_over_another_connection_begins_again(relay):
    relay.submit("a")
    stale = relay.held("listen-0").jobs[0].job
    relay.scheduler.submit(b"other", messages.Submit("a", AUDIO), b"", relay.now)
    assert ("listen-0", messages.AbandonJob(stale)) in relay.delivery.replica_messages
    relay.work_off(ALL)
    assert relay.outcome("a").outcome == "ok"
    assert [output.path for output in relay.delivery.outputs("a")] == [(0,), (0, 0), (0, 0, 0)]
    assert [span.stage for span in relay.outcome("a").spans] == list(STAGES)


def test_an_admitted_request_is_admitted_again_over_another_connection():
    relay = PlayedRelay(queue_items=1)
    relay.join("listen-0")
    relay.submit("runs")
    relay.submit("waits")
    relay.scheduler.stop_accepting()
    relay.scheduler.submit(b"other", messages.Submit("runs", AUDIO), b"", relay.now)
    relay.join("translate-0")
    relay.join("speak-0")
    relay.work_off(ALL)
    assert {relay.outcome(request).outcome for request in ("runs", "waits")} == {"ok"}


def test_an_error_ends_its_request_alone(relay):
    relay.submit("bad")
    relay.submit("good")
    relay.done("listen-0", error="no")
    relay.work_off(ALL)
    assert relay.outcome("bad").outcome == "failed"
    assert relay.outcome("good").outcome == "ok"


def test_a_stage_that_is_given_up_fails_the_requests_that_need_it_and_rejects_others(relay):
    relay.submit("a")
    relay.scheduler.stage_down("translate", "no memory", relay.now)
    relay.submit("b")
    assert relay.outcome("a").outcome == "failed"
    assert relay.outcome("b").outcome == "rejected"
    assert "no memory" in relay.outcome("b").reason
    assert relay.outcome("b").retry_after_s > 0


def test_a_stage_that_is_tried_again_serves_the_requests_that_come_then(relay):
    relay.scheduler.stage_down("translate", "no memory", relay.now)
    assert relay.scheduler.blockers() == {"translate": "stage translate is down: no memory"}
    relay.scheduler.stage_up("translate", relay.now)
    assert relay.scheduler.blockers() == {}
    relay.submit("a")
    relay.work_off(ALL)
    assert relay.outcome("a").outcome == "ok"


def test_a_closing_relay_finishes_the_open_requests_and_rejects_others(relay):
    relay.submit("accepted")
    relay.scheduler.stop_accepting()
    relay.submit("late")
    assert relay.outcome("late").outcome == "rejected"
    assert "closing" in relay.outcome("late").reason
    relay.work_off(ALL)
    assert relay.outcome("accepted").outcome == "ok"


def test_requests_that_outlast_the_drain_are_cancelled(relay):
    relay.submit("runs")
    relay.submit("waits")
    relay.scheduler.cancel_all("the relay was closed", relay.now)
    assert {relay.outcome(request).outcome for request in ("runs", "waits")} == {"cancelled"}
    assert relay.scheduler.open_requests == 0


def test_a_queue_that_is_full_by_cost_holds_back_and_rejects_too():
    relay = PlayedRelay(queue_cost=15.0)  # two texts of 10, or 15 s of audio
    relay.join("listen-0")
    for number in range(3):
        relay.submit(f"{number}")
    for _ in range(2):
        relay.output("listen-0")
        relay.done("listen-0")
    assert relay.held("listen-0") is None  # the third waits: no replica translates, and a cost of 20 waits already
    relay.scheduler.submit(b"c", messages.Submit("long", messages.Meta("audio", 60.0)), b"", relay.now)
    relay.submit("late")
    assert relay.outcome("late").outcome == "rejected"


def test_a_draining_replica_finishes_its_batch_and_gets_no_other(relay):
    relay.submit("a")
    relay.submit("b")
    relay.scheduler.drain_replica("listen-0")
    relay.done("listen-0")
    assert relay.held("listen-0") is None
    assert ("listen-0", messages.Drain()) in relay.delivery.replica_messages


def test_a_request_may_enter_at_a_later_stage(relay):
    relay.scheduler.submit(b"c", messages.Submit("t", TEXT, stage="speak"), b"", relay.now)
    assert relay.held("listen-0") is None
    relay.work_off(ALL)
    assert relay.outcome("t").outcome == "ok"
    assert [output.path for output in relay.delivery.outputs("t")] == [(0, 0, 0)]


def test_an_unknown_stage_to_enter_at_is_named(relay):
    relay.scheduler.submit(b"c", messages.Submit("t", TEXT, stage="sing"), b"", relay.now)
    assert "'sing'" in relay.outcome("t").reason


def test_the_wrong_kind_of_payload_is_refused(relay):
    relay.scheduler.submit(b"c", messages.Submit("t", TEXT), b"", relay.now)
    assert relay.outcome("t").outcome == "failed"


def test_a_request_with_a_hundred_thousand_outputs_and_spans_ends_in_bounded_messages(relay):
    relay.submit("long")
    long = relay.held("listen-0").jobs[0].job
    for index in range(100_000):
        relay.scheduler.output(messages.Output("listen-0", long, 1, index, TEXT), b"", 0.0)
    relay.scheduler.batch_ended(messages.BatchEnd("listen-0", 0.1, (messages.JobEnd(long, 1, 100_000, 0.1),)), 0.0)
    for job in range(long + 1, long + 100_001):  # at the second stage, where none has an output
        relay.scheduler.batch_ended(messages.BatchEnd("translate-0", 0.1, (messages.JobEnd(job, 1, 0, 0.1),)), 0.0)
    assert relay.outcome("long").outcome == "ok"
    assert len(relay.delivery.outputs("long")) == 100_000
    pages = [message for message in relay.delivery.client_messages if isinstance(message, messages.Spans)]
    assert relay.delivery.client_messages[-1 - len(pages) :] == [*pages, relay.outcome("long")]
    spans = [span for message in (*pages, relay.outcome("long")) for span in message.spans]
    assert [span.path for span in spans] == [(), *((index,) for index in range(100_000))]
    assert max(len(codec.encode(message)) for message in relay.delivery.client_messages) < codec.MAX_HEADER_BYTES / 4


def test_a_long_error_is_shortened_with_a_note(relay):
    relay.submit("bad")
    relay.done("listen-0", error="x" * 2_000_000)
    assert relay.outcome("bad").outcome == "failed"
    assert relay.outcome("bad").reason.endswith("characters left out)")
    assert len(codec.encode(relay.outcome("bad"))) < 10_000


def test_a_long_cause_of_death_is_shortened_with_a_note():
    relay = PlayedRelay()
    relay.submit("a")
    for number in range(2):
        relay.join(f"listen-{number}")
        relay.scheduler.replica_gone(f"listen-{number}", "x" * 2_000_000, relay.now)
    assert len(codec.encode(relay.outcome("a"))) < 10_000


def test_a_long_name_of_a_stage_is_answered_shortly(relay):
    relay.scheduler.submit(b"c", messages.Submit("a", TEXT, stage="x" * 1_000_000), b"", relay.now)
    assert len(codec.encode(relay.outcome("a"))) < 10_000
