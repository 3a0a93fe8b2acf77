from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.load.sending.arrivals import (
    Arrival,
    Bound,
    Burst,
    ClosedLoop,
    Constant,
    Poisson,
    Ramp,
    Replay,
    parse_arrivals,
)
from errors import ConfigError

PROCESSES = st.sampled_from([Constant(), Poisson(), Burst(1), Burst(7), Ramp(0.0), Ramp(3.0), Ramp(300.0)])
RATES = st.floats(0.1, 200.0)
SEEDS = st.integers(0, 2**31)


def times(arrivals):
    return [arrival.at_s for arrival in arrivals]


@given(PROCESSES, RATES, SEEDS, st.integers(1, 200), st.floats(0.1, 50.0))
def test_a_schedule_is_in_ascending_order_and_within_its_bound(process, rate, seed, requests, seconds):
    drawn = times(process.draw(rate, Bound(requests, seconds), seed))
    assert len(drawn) <= requests
    assert all(0 <= at < seconds for at in drawn)
    assert drawn == sorted(drawn)


@given(PROCESSES, RATES, SEEDS)
def test_the_same_seed_draws_the_same_schedule(process, rate, seed):
    bound = Bound(100, 20.0)
    assert process.draw(rate, bound, seed) == process.draw(rate, bound, seed)


def test_another_seed_draws_another_schedule():
    assert Poisson().draw(1.0, Bound(10), 1) != Poisson().draw(1.0, Bound(10), 2)


@given(st.sampled_from([Constant(), Burst(4)]), st.floats(0.5, 50.0))
def test_the_mean_of_an_even_process_is_the_rate(process, rate):
    drawn = process.draw(rate, Bound(requests=401), 0)
    assert drawn[400].at_s == pytest.approx(400 / rate)


@settings(max_examples=20)
@given(st.floats(0.5, 50.0), SEEDS)
def test_poisson_gaps_have_the_mean_and_the_spread_of_exponential_ones(rate, seed):
    gaps = np.diff([0.0, *times(Poisson().draw(rate, Bound(requests=4000), seed))])
    # five standard errors: the mean's is 1/√n, that of the standard deviation of an exponential √2/√n
    assert gaps.mean() * rate == pytest.approx(1, abs=5 / 4000**0.5)
    assert gaps.std() * rate == pytest.approx(1, abs=5 * (2 / 4000) ** 0.5)


def test_a_burst_comes_at_one_moment():
    assert times(Burst(3).draw(1.5, Bound(requests=7), 0)) == [0, 0, 0, 2, 2, 2, 4]


@settings(max_examples=20)
@given(st.floats(0.0, 50.0), st.floats(0.0, 50.0), SEEDS)
def test_a_ramp_has_its_expected_count_in_each_half(begin, end, seed):
    seconds = 200.0
    assume(begin + end >= 1)
    drawn = np.array(times(Ramp(end).draw(begin, Bound(seconds=seconds), seed)))
    middle = (begin + end) / 2
    for count, expected in (
        ((drawn < seconds / 2).sum(), (begin + middle) / 2 * seconds / 2),
        ((drawn >= seconds / 2).sum(), (middle + end) / 2 * seconds / 2),
    ):
        assert abs(count - expected) <= 6 * expected**0.5 + 6  # six standard deviations of a Poisson count


def test_a_ramp_without_an_end_is_refused():
    with pytest.raises(ConfigError, match="--seconds"):
        Ramp(2.0).draw(1.0, Bound(requests=5), 0)


def test_a_trace_is_replayed_as_it_was_or_at_another_rate(tmp_path):
    trace = tmp_path / "trace.csv"
    trace.write_text("at_s,clip\n103,b.wav\n100,a.wav\n104,\n")
    replay = Replay.read(trace)
    assert replay.draw(0.0, Bound(), 0) == [Arrival(0, "a.wav"), Arrival(3, "b.wav"), Arrival(4)]
    assert replay.rate == 0.5
    assert times(replay.draw(2.0, Bound(), 0)) == [0, 0.75, 1]
    assert times(replay.draw(0.0, Bound(seconds=4), 0)) == [0, 3]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfat_s,clip\r\n100,a.wav\r\n103,b.wav\r\n104,\r\n",  # as a spreadsheet saves it
        b'\xef\xbb\xbf"at_s","clip"\n100,a.wav\n103,b.wav\n104\n',
        b"at_s,clip\r100,a.wav\r103,b.wav\r104,\r",
        b"\n  \nat_s,clip\n\n100,a.wav\n , \n103,b.wav\n104,\n\n",
        b" AT_S , Clip , Note\n 100 , a.wav , first\n103,b.wav,\n104,,\n",
        b"clip,at_s\na.wav,100\nb.wav,103\n,104\n",
    ],
)
def test_a_trace_may_be_written_by_any_program(tmp_path, content):
    trace = tmp_path / "trace.csv"
    trace.write_bytes(content)
    expected = [Arrival(0, "a.wav"), Arrival(3, "b.wav"), Arrival(4)]
    assert Replay.read(trace).draw(0.0, Bound(), 0) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no column at_s, only blank lines"),
        ("when\n1\n", "no column at_s, only when"),
        ("at_s;clip\n1;a\n", "separated by commas"),
        ("at_s,clip\n", "no rows below its first line"),
        ("at_s\n1\nsoon\n", "line 3"),
        ("at_s\n\n1\n\nsoon\n", "line 5"),
        ("at_s\nnan\n", "line 2"),
        ("clip,at_s\na\n", "line 2: at_s is ''"),
    ],
)
def test_a_wrong_trace_is_refused_with_its_place(tmp_path, content, message):
    trace = tmp_path / "trace.csv"
    trace.write_text(content)
    with pytest.raises(ConfigError, match=message):
        Replay.read(trace)


def test_the_command_line_names_every_process():
    assert parse_arrivals("poisson") == Poisson()
    assert parse_arrivals("constant") == Constant()
    assert parse_arrivals("burst:5") == Burst(5)
    assert parse_arrivals("ramp:2.5") == Ramp(2.5)
    assert parse_arrivals("closed:3") == ClosedLoop(3)


@pytest.mark.parametrize(
    "text", ["", "possion", "poisson:3", "burst:0", "ramp", "ramp:-1", "ramp:nan", "closed", "replay:/no/such"]
)
def test_an_unknown_process_is_refused(text):
    with pytest.raises(ConfigError):
        parse_arrivals(text)
