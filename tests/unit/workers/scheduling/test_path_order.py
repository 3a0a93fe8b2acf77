from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.scheduling.path_order import PathOrder

STAGES = 3


@st.composite
def trees(draw):
    """Every job's number of outputs: {path: outputs}, for three stages."""
    jobs = {(): draw(st.integers(0, 3))}
    for depth in range(1, STAGES):
        for path in [p for p in jobs if len(p) == depth - 1]:
            for index in range(jobs[path]):
                jobs[(*path, index)] = draw(st.integers(0, 3))
    return jobs


@given(trees(), st.randoms(use_true_random=False))
def test_every_output_is_released_once_and_each_stage_in_path_order(jobs, random):
    order = PathOrder[None](STAGES)
    sent = dict.fromkeys(jobs, 0)
    open_jobs, released = [()], []
    while open_jobs:
        job = random.choice(open_jobs)
        if sent[job] < jobs[job]:
            path = (*job, sent[job])
            sent[job] += 1
            order.output(path, None)
            if len(path) < STAGES:
                open_jobs.append(path)
        else:
            open_jobs.remove(job)
            order.job_ended(job, jobs[job])
        released += [path for path, _ in order.release()]
    for depth in range(1, STAGES + 1):
        expected = sorted(
            (*job, index) for job, outputs in jobs.items() if len(job) == depth - 1 for index in range(outputs)
        )
        assert [path for path in released if len(path) == depth] == expected


def test_an_output_waits_until_every_job_before_it_has_ended():
    order = PathOrder[str](2)
    order.output((0,), "first text")
    order.output((1,), "second text")
    order.job_ended((), 2)
    order.output((1, 0), "second sound")
    order.job_ended((1,), 1)
    assert [item for _, item in order.release()] == ["first text", "second text"]
    order.output((0, 0), "first sound")
    assert [item for _, item in order.release()] == ["first sound"]
    order.job_ended((0,), 1)
    assert [item for _, item in order.release()] == ["second sound"]
