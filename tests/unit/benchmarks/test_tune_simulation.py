"""The simulated relay against results that can be computed by hand, and against itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks.tune.model.core_demand import CoreDemand
from benchmarks.tune.model.fit import RelayModel, StageModel
from benchmarks.tune.model.profile import TracedJob
from benchmarks.tune.setting import Machine, Setting
from benchmarks.tune.simulation.simulated_relay import cycled, drawn, simulate_closed, simulate_open
from benchmarks.tune.simulation.steady_state import steady_state
from workers.scheduling.stage import StagePlan

PLENTY = Machine(cores=64)


def chain(*seconds: float) -> TracedJob:
    """A request with one job at each stage."""
    piece = TracedJob(1.0)
    for factor in reversed(seconds):
        piece = TracedJob(1.0, (piece,), factor)
    return piece


def relay(*requests: TracedJob, stages: int = 1, limits: dict | None = None, **model: object):
    names = [f"stage{number}" for number in range(stages)]
    found = RelayModel(tuple(StageModel(name, 1.0, 0.0, **model) for name in names), requests)
    return found, [StagePlan(name, "text" if depth else "audio", **(limits or {})) for depth, name in enumerate(names)]


def one_each(stages: int) -> Setting:
    return Setting((1,) * stages, (1,) * stages)


def test_a_lone_server_waits_as_the_m_d_1_queue_does() -> None:
    model, plans = relay(chain(1.0), limits={"queue_items": 10**6})
    arrivals = np.cumsum(np.random.default_rng(1).exponential(1 / 0.6, 6000))
    run = simulate_open(model, plans, one_each(1), PLENTY, cycled(model.requests, 6000), arrivals)
    waited = np.mean([request.latency_s - 1.0 for request in run.requests])
    assert waited == pytest.approx(0.6 / (2 * 0.4), rel=0.06)  # Pollaczek-Khinchine with fixed service times


@pytest.mark.parametrize(
    ("replicas", "expected"), [((1, 1, 1), 0.5), ((1, 1, 2), 1.0), ((1, 1, 4), 1.25), ((2, 1, 4), 2.0)]
)
def test_the_slowest_stage_sets_the_throughput(replicas: tuple[int, ...], expected: float) -> None:
    model, plans = relay(chain(0.8, 0.1, 2.0), stages=3)
    run = simulate_closed(model, plans, Setting(replicas, (1, 1, 1)), PLENTY, cycled(model.requests, 300), 20)
    assert steady_state(run.marks, 20).rps == pytest.approx(expected, rel=0.02)


def test_a_request_alone_takes_the_sum_of_its_stages() -> None:
    model, plans = relay(chain(0.5, 0.25, 1.0), stages=3)
    run = simulate_open(model, plans, one_each(3), PLENTY, list(model.requests), [3.0])
    assert run.requests[0].latency_s == pytest.approx(1.75)
    assert run.stage_busy_s == pytest.approx([0.5, 0.25, 1.0])


def test_phrases_of_a_request_are_spoken_side_by_side_and_the_first_sounds_early() -> None:
    text = TracedJob(1.0, (TracedJob(1.0),), 1.0)
    model, plans = relay(TracedJob(1.0, (text, text), 2.0), stages=2)
    run = simulate_open(model, plans, Setting((1, 2), (1, 1)), PLENTY, list(model.requests), [0.0])
    assert run.requests[0].first_audio_s == pytest.approx(2.0)  # half of the first stage, then one of the second
    assert run.requests[0].latency_s == pytest.approx(3.0)


def test_a_full_queue_turns_requests_away_and_patient_clients_come_again() -> None:
    model, plans = relay(chain(1.0), limits={"queue_items": 3})
    requests = cycled(model.requests, 10)
    rejected = simulate_open(model, plans, one_each(1), PLENTY, requests, [0.0] * 10)
    # one is handed out at once, so that there is room for three more behind it
    assert [request.outcome for request in rejected.requests].count("ok") == 4
    assert [request.outcome for request in rejected.requests].count("rejected") == 6
    patient = simulate_open(model, plans, one_each(1), PLENTY, requests, [0.0] * 10, patient=True)
    assert {request.outcome for request in patient.requests} == {"ok"}


def test_a_full_stage_holds_the_one_before_it_back() -> None:
    model, plans = relay(chain(0.1, 2.0), stages=2, limits={"queue_items": 2})
    requests = cycled(model.requests, 12)
    run = simulate_open(model, plans, one_each(2), PLENTY, requests, [number * 1e-3 for number in range(12)])
    accepted = [request for request in run.requests if request.outcome == "ok"]
    # at most: 2 before the first stage, 1 in it, 2 before the second, 1 in it, at any time in 12 ms
    assert 3 <= len(accepted) <= 6
    assert len(accepted) + sum(request.outcome == "rejected" for request in run.requests) == 12


def test_a_batch_takes_the_queued_jobs_and_gains_as_measured() -> None:
    model, plans = relay(chain(1.0), limits={"max_batch": 4}, batch_floor={1: 0.25})
    run = simulate_closed(model, plans, one_each(1), PLENTY, cycled(model.requests, 200), 16)
    assert steady_state(run.marks, 16).rps == pytest.approx(1 / (0.25 + 0.75 / 4), rel=0.03)


@pytest.mark.parametrize(("replicas", "slowdown"), [(1, 1.0), (2, 1.0), (3, 1.5), (4, 2.0)])
def test_replicas_beyond_the_cores_share_them(replicas: int, slowdown: float) -> None:
    model, plans = relay(chain(1.0), cores={1: 1.0})
    run = simulate_open(
        model, plans, Setting((replicas,), (1,)), Machine(2), cycled(model.requests, replicas), [0.0] * replicas
    )
    assert [request.latency_s for request in run.requests] == pytest.approx([slowdown] * replicas)
    assert run.marks[-1].cpu_s == pytest.approx(replicas)


@pytest.mark.parametrize(
    ("others", "slowdown"),
    [
        (0.0, 1.0),
        (1.0, 1.75),  # a core has two threads, the other one: the odds that neither of ours shares are a quarter
        (2.0, 2.0),
        (3.0, 2.75),
    ],
)
def test_threads_that_wait_for_one_another_advance_as_fast_as_the_slowest(others: float, slowdown: float) -> None:
    assert CoreDemand(demand=2.0, threads=2).slowdown(2.0 + others, cores=2) == pytest.approx(slowdown)
    at_times = CoreDemand(demand=1.5, threads=2)  # half of the time, and one thread by itself else
    alone = max(1.0, (1 + others) / 2)
    assert at_times.slowdown(1.5 + others, cores=2) == pytest.approx((slowdown + alone) / 2)


def test_neighbours_and_turns_add_to_the_slowdown() -> None:
    load = CoreDemand(demand=1.0, neighbours=0.2, turns=0.5)
    assert load.slowdown(1.0, cores=2) == pytest.approx(1.0)
    assert load.slowdown(2.0, cores=2) == pytest.approx(1.2)
    assert load.slowdown(4.0, cores=2) == pytest.approx(1.2 * 2 * 1.5)
    assert CoreDemand(0.6, 1, 0.2).slowdown(1.0, cores=2) == pytest.approx(1 + 0.4 * 0.2)  # 0.4 cores are others'
    assert CoreDemand(0.0, 1, 0.2, 0.5).slowdown(0.0, cores=1) == 1.0
    assert CoreDemand(1.0, 1, 0.0, -0.5).slowdown(2.1, cores=2) == 1.0  # no replica is faster beside others


def test_a_gpu_serves_its_replicas_in_turn() -> None:
    model, plans = relay(chain(8.0), gpu_speed=4.0)
    run = simulate_open(model, plans, Setting((3,), (1,)), Machine(2, gpus=2), cycled(model.requests, 3), [0.0] * 3)
    assert sorted(request.latency_s for request in run.requests) == pytest.approx([2.0, 4.0, 4.0])


def test_every_request_ends_once_and_the_same_seed_gives_the_same_run() -> None:
    generator = np.random.default_rng(5)
    shapes = [
        TracedJob(
            1.0,
            tuple(TracedJob(2.0, (TracedJob(1.0),) * n, float(f)) for n, f in zip(range(k), times, strict=True)),
            0.3,
        )
        for k, times in ((k, generator.uniform(0.1, 2.0, k)) for k in range(4))  # one of them says nothing
    ]
    model, plans = relay(*shapes, stages=2, limits={"queue_items": 4, "max_batch": 2, "max_wait_s": 0.1})
    arrivals = np.cumsum(generator.exponential(0.5, 400)).tolist()

    def run(seed: int) -> list[tuple[object, float]]:
        requests = drawn(model.requests, 400, seed)
        found = simulate_open(model, plans, Setting((2, 2), (1, 1)), Machine(2), requests, arrivals)
        return [(request.outcome, request.ended_s) for request in found.requests]

    first = run(0)
    assert {outcome for outcome, _ in first} == {"ok", "rejected"}
    assert all(ended_s >= due_s for (_, ended_s), due_s in zip(first, arrivals, strict=True))
    assert first == run(0)
    assert first != run(1)


def test_a_caller_of_a_closed_loop_waits_for_an_answer() -> None:
    model, plans = relay(chain(1.0))
    run = simulate_closed(model, plans, Setting((2,), (1,)), PLENTY, cycled(model.requests, 8), 2)
    assert [request.due_s for request in run.requests] == pytest.approx([0, 0, 1, 1, 2, 2, 3, 3])
    assert all(one.ended_s <= other.ended_s for one, other in itertools.pairwise(run.requests))
