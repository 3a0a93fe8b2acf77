from __future__ import annotations

import pytest

from benchmarks.load.figures.level_figures import by_level, level_figures
from benchmarks.load.figures.objective import Objective
from benchmarks.load.figures.samples import RequestSample, SpanSample
from benchmarks.load.figures.send_lag import send_lag
from benchmarks.load.figures.throughput import Window, busy_between
from benchmarks.load.figures.trial_record import RelayState, StageState, Trial, TrialSamples
from benchmarks.load.report.timeline import restarts


def span(start_s, service_s, stage="speak", queue_s=0.0, busy_s=None, batch=1):
    return SpanSample(stage, (), 1, "r", start_s, queue_s, service_s, service_s if busy_s is None else busy_s, batch)


def sample(number, at_s, took_s=1.0, outcome="ok", lag_s=0.0, warm_up=False, spans=()):
    sent_s = at_s + lag_s
    return RequestSample(
        0, number, "a", 1.0, warm_up, at_s, sent_s, None, at_s + took_s, outcome, "", 0.0, tuple(spans)
    )


def trial(samples, number=0, rate=1.0, cpu_s=None, ready=1):
    states = [RelayState(0.5, {"speak": StageState(ready, ready, 0, 0)})]
    record = Trial(number, "constant", rate, 0, len(samples), 1.0, cpu_s, 0.1, states)
    return TrialSamples(record, samples)


def test_throughput_leaves_the_warm_up_out():
    samples = [sample(number, float(number), warm_up=number < 5) for number in range(25)]
    figures = level_figures([trial(samples)], ["speak"], None, [])
    assert figures.requests == 20
    assert figures.achieved_rps == pytest.approx(1.0)
    assert figures.offered_rps == pytest.approx(1.0)


def test_a_relay_that_falls_behind_achieves_what_it_can():
    samples = [
        sample(number, number * 0.5, took_s=1.0 + number * 0.5) for number in range(41)
    ]  # it serves one a second
    figures = level_figures([trial(samples)], ["speak"], None, [])
    assert figures.offered_rps == pytest.approx(2.0)
    assert figures.achieved_rps == pytest.approx(1.0)


def test_bursts_are_offered_at_their_mean_rate():
    samples = [sample(number, float(number // 4 * 4), took_s=0.5) for number in range(24)]
    assert level_figures([trial(samples)], ["speak"], None, []).offered_rps == pytest.approx(1.0)


def test_a_lone_burst_is_counted_until_it_has_ended():
    samples = [sample(number, 0.0, took_s=1.0 + number) for number in range(10)]
    assert level_figures([trial(samples)], ["speak"], None, []).achieved_rps == pytest.approx(1.0)


def test_the_limit_is_the_lowest_of_replicas_and_cores_and_efficiency_is_of_the_cores():
    samples = [sample(number, float(number), spans=[span(0.0, 0.5)]) for number in range(11)]
    figures = level_figures([trial(samples, cpu_s=8.8, ready=3)], ["speak"], 2, [])
    assert figures.stages["speak"].capacity_rps == pytest.approx(6.0)
    assert figures.cpu_s_per_request == pytest.approx(0.8)
    assert figures.limit_rps == (pytest.approx(2.5), "the cores")
    assert figures.efficiency == pytest.approx(1.0 / 2.5)
    one = level_figures([trial(samples, cpu_s=8.8, ready=1)], ["speak"], 2, [])
    assert one.limit_rps == (pytest.approx(2.0), "speak")


def test_busy_seconds_are_those_within_the_window_and_shared_in_a_batch():
    samples = [sample(0, 10.0, lag_s=0.5, spans=[span(0.5, 4.0, busy_s=2.0, batch=2)])]  # computed from 11 to 15 s
    assert busy_between(samples, "speak", Window(0.0, 20.0)) == pytest.approx(2.0)
    assert busy_between(samples, "speak", Window(12.0, 13.0)) == pytest.approx(0.5)
    assert busy_between(samples, "listen", Window(0.0, 20.0)) == 0.0


def test_outcomes_are_all_counted_and_only_good_ones_have_a_latency():
    samples = [sample(0, 0.0), sample(1, 1.0, 0.001, "rejected"), sample(2, 2.0, 9.0, "expired"), sample(3, 3.0)]
    figures = level_figures([trial(samples)], ["speak"], None, [Objective.parse("p50=2s"), Objective.parse("p99=2s")])
    assert figures.outcomes == {"ok": 2, "rejected": 1, "expired": 1}
    assert figures.latency_s["p95"].n == 2
    assert figures.objectives["p50=2s"].attained.value == 0.5
    assert "p99=2s" not in figures.objectives
    assert "p99" not in figures.latency_s


def test_a_level_without_a_single_answer_achieved_nothing():
    failed = [sample(number, float(number), outcome="failed") for number in range(10)]
    figures = level_figures([trial(failed)], ["speak"], 2, [])
    assert (figures.latency_s, figures.achieved_rps, figures.limit_rps, figures.efficiency) == ({}, 0.0, None, None)


@pytest.mark.parametrize("took_s", [0.125, 3.0, 40.0])
def test_a_relay_that_keeps_up_achieves_what_was_offered_however_long_a_request_takes(took_s):
    spans = [span(0.0, took_s)]
    samples = [sample(number, float(number), took_s, spans=spans) for number in range(21)]
    figures = level_figures([trial(samples, cpu_s=21.0, ready=100)], ["speak"], 2, [])
    assert figures.achieved_rps == pytest.approx(figures.offered_rps) == pytest.approx(1.0)
    assert figures.efficiency == pytest.approx(0.5)


def test_bursts_are_achieved_at_their_mean_rate_and_a_stall_is_not_forgotten():
    bursts = [sample(number, float(number // 4 * 4), took_s=0.5) for number in range(24)]
    assert level_figures([trial(bursts)], [], None, []).achieved_rps == pytest.approx(1.0)
    stalled = [sample(number, float(number), 0.5, "ok" if number < 10 else "cancelled") for number in range(60)]
    assert level_figures([trial(stalled)], [], None, []).achieved_rps == pytest.approx(9 / 59)


def test_replicas_are_as_busy_as_the_load_makes_them_however_late_their_stage():
    spans = [span(0.0, 5.0, "listen"), span(5.0, 0.5, "speak")]
    samples = [sample(number, float(number), 5.5, spans=spans) for number in range(21)]
    figures = level_figures([trial(samples)], ["listen", "speak"], None, [])
    assert figures.stages["speak"].busy == pytest.approx(0.5)


def test_too_few_requests_say_nothing_of_throughput():
    samples = [sample(number, float(number), 3.0, spans=[span(0.0, 3.0)]) for number in range(2)]
    figures = level_figures([trial(samples, cpu_s=1.0)], ["speak"], 2, [])
    assert (figures.achieved_rps, figures.efficiency, figures.stages["speak"].busy) == (None, None, None)
    assert figures.outcomes == {"ok": 2}
    assert figures.cpu_limit_rps == pytest.approx(4.0)


def test_an_objective_that_every_request_met_still_has_an_interval():
    attained = Objective.parse("p50=2s").judge([sample(number, 0.0) for number in range(20)]).attained
    assert attained.value == 1.0
    assert attained.low == pytest.approx(0.025 ** (1 / 20))
    missed = Objective.parse("p50=2s").judge([sample(number, 0.0, 3.0) for number in range(20)]).attained
    assert (missed.value, missed.high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 20)))


@pytest.mark.parametrize(
    ("lag_s", "late", "took_s", "invalid"),
    [
        (0.0019, 100, 0.1, False),  # below 2 ms
        (0.0021, 100, 0.1, True),
        (0.0021, 1, 0.1, False),  # only one in a hundred
        (0.0021, 2, 0.1, True),
        (0.0021, 100, 1.0, False),  # below 1 % of the median latency
        (0.0110, 100, 1.0, True),
    ],
)
def test_send_lag_invalidates_a_run_by_the_rule(lag_s, late, took_s, invalid):
    samples = [sample(number, 0.0, took_s, lag_s=lag_s if number < late else 0.0) for number in range(100)]
    assert bool(send_lag(samples).invalid) == invalid


def test_trials_at_one_rate_are_one_level_and_levels_are_in_order_of_rate():
    trials = [trial([sample(0, 0.0)], number, rate) for number, rate in enumerate([2.0, 1.0, 2.0])]
    assert [[one.trial.number for one in group] for group in by_level(trials)] == [[1], [0, 2]]


def state(at_s, replicas, ready, starts):
    return RelayState(at_s, {"speak": StageState(replicas, ready, 0, 0, starts)})


def test_restarts_are_found_by_starts_or_by_replicas_that_vanish():
    ours = [state(1, 2, 2, 2), state(2, 2, 2, 3), state(3, 3, 2, 4)]
    assert restarts(ours) == [2]
    elsewhere = [state(1, 2, 2, None), state(2, 2, 1, None), state(3, 2, 2, None), state(4, 1, 1, None)]
    assert restarts(elsewhere) == [2]
