"""When replicas start again and when a stage is given up, on a clock of the test's own."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from workers.supervisor.restart_policy import BROKER_DELAYS_S, REPLICA_DELAYS_S, Backoff, RestartPolicy

NEVER = 10**6  # deaths a minute


def test_each_failure_in_a_row_waits_longer_up_to_half_a_minute():
    backoff = Backoff(REPLICA_DELAYS_S)
    assert [backoff.failed() for _ in range(8)] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_success_starts_the_delays_over():
    backoff = Backoff(REPLICA_DELAYS_S)
    backoff.failed()
    backoff.failed()
    backoff.succeeded()
    assert backoff.failed() == 1


def test_the_broker_comes_back_at_once_and_then_waits_like_a_replica():
    """A broker whose metrics port is taken meanwhile is started 5 times in the first 10 s, not 50."""
    backoff, now, starts = Backoff(BROKER_DELAYS_S), 0.0, 0
    while (now := now + backoff.failed()) <= 10:
        starts += 1
    assert starts == 4


def test_a_slot_that_was_never_filled_is_due_at_once():
    assert RestartPolicy(NEVER).start_at(0) <= 0.0


def test_a_slot_is_due_again_after_its_own_backoff():
    policy = RestartPolicy(NEVER)
    policy.died(0, "speak-0", "killed", 100.0)
    assert policy.start_at(0) == 101.0
    policy.died(0, "speak-0", "killed", 101.5)
    assert policy.start_at(0) == 103.5
    policy.died(1, "speak-1", "killed", 101.5)
    assert policy.start_at(1) == 102.5


def test_a_replica_that_became_ready_is_restarted_quickly_again():
    policy = RestartPolicy(NEVER)
    for _ in range(5):
        policy.died(0, "speak-0", "killed", 100.0)
    policy.became_ready(0)
    policy.died(0, "speak-0", "killed", 200.0)
    assert policy.start_at(0) == 201.0


def test_a_replica_that_left_when_told_is_replaced_at_once():
    policy = RestartPolicy(NEVER)
    policy.died(0, "speak-0", "killed", 100.0)
    policy.left(0)
    assert policy.start_at(0) <= 100.0


def test_too_many_deaths_within_a_minute_give_the_stage_up_with_the_last_cause():
    policy = RestartPolicy(3)
    policy.died(0, "speak-0", "killed by SIGKILL", 0.0)
    policy.died(1, "speak-1", "killed by SIGKILL", 30.0)
    assert policy.given_up == ""
    policy.died(0, "speak-0", "killed by SIGSEGV", 60.0)
    assert policy.given_up == "3 deaths in 60 s, the last: killed by SIGSEGV"
    assert policy.start_at(0) == 90.0  # tried again with one replica
    assert policy.start_at(7) == math.inf


def test_deaths_longer_than_a_minute_apart_are_not_counted_together():
    policy = RestartPolicy(2)
    for minute in range(20):
        policy.died(0, "speak-0", "killed", minute * 60.1)
    assert policy.given_up == ""


def test_a_stage_is_given_up_for_the_first_reason():
    policy = RestartPolicy(1)
    policy.give_up(0, "there are no weights", 0.0)
    policy.died(0, "speak-0", "exited with status 1", 0.0)
    assert policy.given_up == "there are no weights"


def test_a_slot_that_is_forgotten_begins_anew():
    policy = RestartPolicy(NEVER)
    policy.died(0, "speak-0", "killed", 100.0)
    policy.forget(0)
    assert policy.start_at(0) <= 0.0
    policy.died(0, "speak-0", "killed", 100.0)
    assert policy.start_at(0) == 101.0


def given_up(deaths: int = 3) -> RestartPolicy:
    policy = RestartPolicy(deaths)
    for number in range(deaths):
        policy.died(0, f"speak-0.{number}", "killed", 100.0)
    assert policy.given_up
    return policy


def test_a_stage_that_was_given_up_is_tried_again_later_and_later_with_one_replica():
    policy, tries, now = given_up(), [], 100.0
    for number in range(7):
        tries.append(policy.start_at(0) - now)
        assert policy.start_at(1) == math.inf
        now = policy.start_at(0)
        policy.died(0, f"speak-0.{number + 3}", "killed", now)
    assert tries == [30, 60, 120, 240, 480, 600, 600]
    assert policy.given_up


def test_a_replica_that_becomes_ready_ends_the_time_of_being_given_up():
    policy = given_up()
    assert policy.became_ready(0)
    assert policy.given_up == ""
    assert policy.start_at(1) <= 100.0
    assert not policy.became_ready(0)
    policy.died(0, "speak-0.9", "killed", 131.0)  # earlier deaths are not counted again
    assert policy.given_up == ""


def test_a_stage_that_was_given_up_is_tried_at_once_on_request():
    policy = given_up()
    policy.try_now(105.0)
    assert policy.start_at(0) == 105.0


def test_another_slot_tries_when_the_one_that_should_is_not_filled_any_more():
    policy = given_up()
    policy.forget(0)
    assert policy.start_at(1) == 130.0


def test_explained_deaths_count_neither_for_giving_up_nor_for_the_delay():
    policy = RestartPolicy(3)
    policy.died(0, "speak-0.0", "killed", 100.0)
    policy.died(0, "speak-0.1", "killed", 101.0)
    assert not policy.explained(["speak-0.0", "speak-0.1"], 101.0)
    assert policy.start_at(0) == 101.0
    policy.died(0, "speak-0.2", "killed", 102.0)
    assert policy.start_at(0) == 103.0  # as after a first death
    policy.died(1, "speak-1.0", "killed", 102.0)
    assert policy.given_up == ""


def test_a_stage_given_up_for_deaths_that_one_request_explains_runs_again():
    policy = given_up()
    assert policy.explained(["speak-0.0", "speak-0.1"], 101.0)
    assert policy.given_up == ""


def test_a_stage_given_up_for_another_reason_is_not_run_again_by_explained_deaths():
    policy = RestartPolicy(3)
    policy.give_up(0, "there are no weights", 100.0)
    policy.died(0, "speak-0.0", "exited", 100.0)
    assert not policy.explained(["speak-0.0"], 101.0)
    assert policy.given_up == "there are no weights"


@given(
    st.integers(1, 6),
    st.lists(st.tuples(st.floats(0, 50), st.integers(0, 3), st.sampled_from(["died", "left", "ready"])), max_size=60),
)
def test_a_slot_is_due_within_half_a_minute_or_its_stage_is_given_up(limit, events):
    policy, now, deaths = RestartPolicy(limit), 0.0, []
    for pause_s, slot, event in events:
        now += pause_s
        if event == "died":
            given_up_before = bool(policy.given_up)
            policy.died(slot, f"speak-{slot}", "killed", now)
            if not given_up_before:
                deaths.append(now)
                assert bool(policy.given_up) == (sum(at >= now - 60 for at in deaths) >= limit)
        elif event == "left":
            policy.left(slot)
        elif policy.became_ready(slot):
            deaths.clear()
        if policy.given_up:
            assert min(policy.start_at(number) for number in range(4)) <= now + 600
        else:
            assert policy.start_at(slot) <= now + 30
