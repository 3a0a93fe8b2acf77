"""The wait to expect follows from the queued cost and the measured rate, through every stage."""

from __future__ import annotations

import pytest

from workers.scheduling.request import Job, Request
from workers.scheduling.stage import Stage, StagePlan, expected_wait_s
from workers.wire.messages import Meta


def job(number: int, cost: float) -> Job:
    request = Request(f"r{number}", b"c", "interactive", 0.0, float("inf"), False, None)
    return Job(number, request, 0, (), Meta("text", cost), b"", 0.0)


def stage(*queued: float, replicas: int = 1) -> Stage:
    made = Stage(StagePlan("a"))
    for number, cost in enumerate(queued):
        made.queue.push(job(number, cost))
    for number in range(replicas):
        made.replicas.join(f"a-{number}")
    return made


def test_nothing_is_expected_while_nothing_is_measured():
    assert expected_wait_s([stage(5.0), stage()]) == 0.0


def test_a_long_job_counts_for_more_than_a_short_one():
    few_long, many_short = stage(60.0, 60.0), stage(*[1.0] * 10)
    for each in (few_long, many_short):
        each.service_rate.add(cost=10.0, service_s=5.0, cost_out=0.0)
    assert expected_wait_s([few_long]) == pytest.approx(60.0)
    assert expected_wait_s([many_short]) == pytest.approx(5.0)


def test_replicas_share_the_wait_and_jobs_in_service_are_part_of_it():
    busy = stage(10.0, replicas=2)
    busy.service_rate.add(cost=1.0, service_s=1.0, cost_out=0.0)
    assert expected_wait_s([busy]) == pytest.approx(5.0)
    busy.replicas.lease([job(7, 6.0)])
    assert expected_wait_s([busy]) == pytest.approx(8.0)


def test_what_waits_upstream_is_counted_in_the_unit_of_the_stage_that_it_comes_to():
    listen, speak = stage(10.0), stage(30.0)
    listen.service_rate.add(cost=2.0, service_s=0.2, cost_out=20.0)  # ten characters for a second of audio
    speak.service_rate.add(cost=10.0, service_s=1.0, cost_out=0.0)
    assert expected_wait_s([listen, speak]) == pytest.approx(13.0)  # 30 characters and 100 more, 0.1 s each


def test_a_job_of_next_to_no_cost_does_not_upset_the_rate():
    measured = stage(10.0)
    measured.service_rate.add(cost=10.0, service_s=5.0, cost_out=0.0)
    measured.service_rate.add(cost=0.0, service_s=0.1, cost_out=0.0)
    assert expected_wait_s([measured]) == pytest.approx(5.0, rel=0.02)
