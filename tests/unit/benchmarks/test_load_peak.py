from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.load.figures.objective import Objective
from benchmarks.load.figures.samples import RequestSample
from benchmarks.load.figures.statistics import TooFewSamples
from benchmarks.load.trials.peak_search import find_peak
from errors import ConfigError


@given(st.floats(0.01, 500.0), st.floats(0.05, 50.0))
def test_the_peak_of_a_system_of_known_capacity_is_found_within_the_tolerance(capacity, begin):
    tried = []

    def holds(rate):
        tried.append(rate)
        return rate <= capacity

    peak = find_peak(holds, begin, tolerance=0.05, most_probes=40)
    assert peak.held <= capacity < peak.missed <= peak.held * 1.05
    assert peak.probes == len(tried) == len(set(tried))


@given(st.integers(1, 10))
def test_the_search_is_bounded_whatever_the_system_does(most_probes):
    assert find_peak(lambda rate: True, 1.0, most_probes=most_probes).missed is None
    never = find_peak(lambda rate: False, 1.0, most_probes=most_probes)
    assert (never.held, never.probes) == (None, most_probes)


@pytest.mark.parametrize(
    ("text", "objective"),
    [
        ("p95=4s", Objective("latency", 0.95, 4.0)),
        ("p50=800ms", Objective("latency", 0.5, 0.8)),
        ("p99.9=1.5s", Objective("latency", 0.999, 1.5)),
        ("ttfa:p50=2s", Objective("ttfa", 0.5, 2.0)),
    ],
)
def test_an_objective_is_read_and_written(text, objective):
    read = Objective.parse(text)
    assert (read.what, read.bound_s) == (objective.what, objective.bound_s)
    assert read.quantile == pytest.approx(objective.quantile)
    assert str(read) == text


@pytest.mark.parametrize(
    "text", ["", "95=4s", "p95=4", "p95=4m", "p0=1s", "p100=1s", "p95=0s", "p95=-1s", "audio:p95=4s"]
)
def test_a_wrong_objective_is_refused(text):
    with pytest.raises(ConfigError, match="such as p95=4s"):
        Objective.parse(text)


def sample(latency_s=1.0, outcome="ok", first_audio_s=None):
    return RequestSample(0, 0, "a", 1.0, False, 10.0, 10.0, first_audio_s, 10.0 + latency_s, outcome, "", 0.0, ())


def test_a_request_that_failed_fast_counts_against_the_objective():
    objective = Objective.parse("p90=2s")
    assert objective.judge([sample()] * 9 + [sample(3.0)]).held
    verdict = objective.judge([sample()] * 8 + [sample(3.0), sample(0.001, "rejected")])
    assert not verdict.held
    assert verdict.attained.value == pytest.approx(0.8)


def test_time_to_first_audio_counts_from_the_schedule():
    objective = Objective.parse("ttfa:p50=500ms")
    assert objective.met_by(sample(first_audio_s=10.4))
    assert not objective.met_by(sample(first_audio_s=10.6))
    assert not objective.met_by(sample())


def test_a_tail_objective_is_not_judged_by_too_few():
    with pytest.raises(TooFewSamples, match="needs 1000"):
        Objective.parse("p99=2s").judge([sample()] * 999)
