"""The driver in virtual time, against a server that answers one request after the other."""

from __future__ import annotations

import heapq
import itertools
import math
from concurrent.futures import Future

import numpy as np
import pytest

from benchmarks.load.figures.statistics import percentile
from benchmarks.load.sending.arrivals import Arrival, Bound, Burst, Constant
from benchmarks.load.sending.clips import InputClip, choose_clips, shuffled_rounds
from benchmarks.load.sending.driver import Driver, WarmUp
from errors import ConfigError
from modules.contract.payloads import Text
from workers.client.result import Result

CLIPS = [InputClip(name, Text(name, "es")) for name in "abc"]
PAUSE_FROM_S, PAUSE_TO_S = 10.0, 15.0
SERVICE_S = 0.01


class VirtualClock:
    """Jumps from one event to the next."""

    def __init__(self):
        self._now = 1000.0
        self._order = itertools.count()
        self._due = []

    def now(self):
        return self._now

    def at(self, at, call):
        heapq.heappush(self._due, (at, next(self._order), call))

    def wait_until(self, at):
        self.wait_for(lambda: False, at)

    def wait_for(self, condition, at=math.inf):
        while not condition():
            if not self._due or self._due[0][0] > at:
                if at == math.inf:
                    raise AssertionError("the driver waits for something that never happens")
                self._now = max(self._now, at)
                return condition()
            due, _, call = heapq.heappop(self._due)
            self._now = max(self._now, due)
            call()
        return True

    def wake(self):
        pass


class PausingServer:
    """Serves one request after the other, and none during its pause. Its queue holds `room` requests."""

    def __init__(self, clock, room=10**9):
        self.clock, self.room = clock, room
        self.free_at = self.began = clock.now()
        self.waiting = 0

    def submit(self, payload):
        future = Future()
        now = self.clock.now()
        if self.waiting >= self.room:
            future.set_result(result("rejected", 0.0, retry_after_s=1.0))
            return future
        start = max(now, self.free_at)
        if PAUSE_FROM_S <= start - self.began < PAUSE_TO_S:
            start = self.began + PAUSE_TO_S
        self.free_at = start + SERVICE_S
        self.waiting += 1

        def answer():
            self.waiting -= 1
            if not future.cancelled():
                future.set_result(result("ok", self.free_at - now))

        self.clock.at(self.free_at, answer)
        return future


def result(outcome, latency_s, retry_after_s=0.0):
    return Result("r", outcome, "", retry_after_s, latency_s, latency_s, {}, None, (), ())


def test_a_pause_shows_in_the_latency_of_every_request_that_was_due_meanwhile():
    clock = VirtualClock()
    arrivals = Constant().draw(10.0, Bound(seconds=30.0), 0)
    samples = Driver(PausingServer(clock), clock).open_loop(arrivals, choose_clips(CLIPS, arrivals, 0), 60.0)
    assert len(samples) == 300
    in_pause = [one.latency_s for one in samples if PAUSE_FROM_S <= one.scheduled_s < PAUSE_TO_S]
    # a request x seconds into the pause waits for the rest of it, then for the requests before it
    expected = [PAUSE_TO_S - PAUSE_FROM_S - number * 0.1 + (number + 1) * SERVICE_S for number in range(50)]
    assert in_pause == pytest.approx(expected)
    latencies = [one.latency_s for one in samples]
    assert percentile(latencies, 0.95) > 3
    assert percentile(latencies, 0.5) == pytest.approx(SERVICE_S)


def test_a_closed_loop_hides_the_same_pause():
    clock = VirtualClock()
    samples = Driver(PausingServer(clock), clock).closed_loop(1, shuffled_rounds(CLIPS, 0), Bound(seconds=30.0), 60.0)
    latencies = [one.latency_s for one in samples]
    assert percentile(latencies, 0.95) == pytest.approx(SERVICE_S)
    assert max(latencies) > 4


def test_latency_counts_from_the_schedule_also_when_the_generator_is_late():
    class LateClock(VirtualClock):
        def wait_until(self, at):
            super().wait_until(at + 0.25)

    clock = LateClock()
    (sample,) = Driver(PausingServer(clock), clock).open_loop([Arrival(1.0)], CLIPS[:1], 60.0)
    assert sample.lag_s == pytest.approx(0.25)
    assert sample.latency_s == pytest.approx(0.25 + SERVICE_S)
    assert sample.ttfa_s == pytest.approx(0.25 + SERVICE_S)


def test_nothing_caps_what_is_in_flight_and_rejections_are_samples():
    clock = VirtualClock()
    arrivals = Burst(100).draw(100.0, Bound(requests=100), 0)
    samples = Driver(PausingServer(clock, room=60), clock).open_loop(arrivals, choose_clips(CLIPS, arrivals, 0), 60.0)
    outcomes = [one.outcome for one in samples]
    assert (outcomes.count("ok"), outcomes.count("rejected")) == (60, 40)
    assert [one.number for one in samples] == list(range(100))


def test_a_request_that_has_not_ended_is_given_up_and_says_so():
    clock = VirtualClock()
    arrivals = [Arrival(PAUSE_FROM_S)]
    (sample,) = Driver(PausingServer(clock), clock).open_loop(arrivals, CLIPS[:1], give_up_s=2.0)
    assert sample.outcome == "cancelled"
    assert "given up" in sample.error
    assert sample.latency_s == pytest.approx(2.0)


def test_a_refusal_of_the_client_is_a_sample_too():
    class RefusingTarget:
        def submit(self, payload):
            future = Future()
            future.set_exception(ConnectionError("no admittance"))
            return future

    clock = VirtualClock()
    (sample,) = Driver(RefusingTarget(), clock).open_loop([Arrival(0.0)], CLIPS[:1], 1.0)
    assert (sample.outcome, sample.error) == ("failed", "no admittance")


def test_a_closed_loop_keeps_its_callers_busy_until_the_bound():
    clock = VirtualClock()
    server, most = PausingServer(clock), 0

    def look(sample):
        nonlocal most
        most = max(most, server.waiting + 1)  # this one has been answered and is still in flight

    samples = Driver(server, clock, on_sample=look).closed_loop(3, shuffled_rounds(CLIPS, 0), Bound(requests=20), 60.0)
    assert len(samples) == 20
    assert most == 3


@pytest.mark.parametrize(("warm_up", "expected"), [(WarmUp(requests=4), 4), (WarmUp(seconds=1.0), 10), (WarmUp(), 0)])
def test_the_warm_up_is_marked(warm_up, expected):
    clock = VirtualClock()
    arrivals = Constant().draw(10.0, Bound(requests=30), 0)
    samples = Driver(PausingServer(clock), clock, warm_up=warm_up).open_loop(
        arrivals, choose_clips(CLIPS, arrivals, 0), 60.0
    )
    assert [one.warm_up for one in samples] == [True] * expected + [False] * (30 - expected)


def test_every_clip_comes_equally_often_in_an_order_of_the_seed():
    arrivals = [Arrival(float(number)) for number in range(300)]
    names = [clip.name for clip in choose_clips(CLIPS, arrivals, 5)]
    assert np.unique(names, return_counts=True)[1].tolist() == [100, 100, 100]
    assert names == [clip.name for clip in choose_clips(CLIPS, arrivals, 5)]
    assert names != [clip.name for clip in choose_clips(CLIPS, arrivals, 6)]


def test_a_trace_chooses_its_clips_by_name():
    assert choose_clips(CLIPS, [Arrival(0.0, "c"), Arrival(1.0, "c")], 0) == [CLIPS[2]] * 2
    with pytest.raises(ConfigError, match="not given: z"):
        choose_clips(CLIPS, [Arrival(0.0, "z")], 0)


def test_every_sample_has_been_handed_over_before_the_trial_is_over():
    clock, handed = VirtualClock(), []
    arrivals = Constant().draw(10.0, Bound(requests=20), 0)
    driver = Driver(
        PausingServer(clock), clock, on_sample=lambda sample: handed.append((sample.number, driver.in_flight))
    )
    driver.open_loop(arrivals, choose_clips(CLIPS, arrivals, 0), 60.0)
    assert [number for number, _ in handed] == list(range(20))
    assert all(in_flight >= 1 for _, in_flight in handed)


def test_a_sample_that_cannot_be_kept_does_not_hang_the_trial():
    def full(sample):
        raise OSError("no space left")

    clock = VirtualClock()
    samples = Driver(PausingServer(clock), clock, on_sample=full).open_loop([Arrival(0.0)], CLIPS[:1], 60.0)
    assert len(samples) == 1
