"""When a stage grows and shrinks, on a clock and loads of the test's own."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from workers.config import AutoscaleConfig
from workers.supervisor.autoscaling import Autoscaler
from workers.wire.messages import StageLoad

CONFIG = AutoscaleConfig(min=1, max=4, wait_s=1.0, busy_above=0.8, up_after_s=5, busy_below=0.6, down_after_s=60)
PLENTY_S = 600


class ServedStage:
    """A stage that serves what arrives, as far as its replicas go; the rest waits. New replicas come at once."""

    def __init__(self, config: AutoscaleConfig = CONFIG, replicas: int = 1) -> None:
        self.autoscaler = Autoscaler(config)
        self.replicas = self.ready = replicas
        self.now = self.busy_s = self.backlog_s = 0.0
        self.counts = [replicas]

    def run(self, offered: float, seconds: float, *, held_up: bool = False) -> list[int]:
        """Offers so many replica-seconds of work each second; the number of replicas after each second."""
        for _ in range(round(seconds)):
            self.now += 1.0
            self.backlog_s += offered
            served = 0.0 if held_up else min(self.backlog_s, float(self.ready))
            self.backlog_s -= served
            self.busy_s += served
            waited_s = self.backlog_s / max(1, self.ready)
            load = StageLoad("stage", self.ready, self.busy_s, waited_s)
            self.replicas = self.autoscaler.decide(load, self.replicas, self.now)
            self.ready = self.replicas
            self.counts.append(self.replicas)
        return self.counts


def test_it_grows_while_jobs_wait_for_busy_replicas_and_not_beyond_the_bound():
    stage = ServedStage()
    assert stage.run(offered=9.0, seconds=60)[-1] == 4


def test_it_does_not_grow_for_a_moment_of_waiting():
    stage = ServedStage()
    stage.run(offered=4.0, seconds=3)
    stage.backlog_s = 0.0
    assert set(stage.run(offered=0.5, seconds=20)) == {1}


def test_it_does_not_grow_when_busy_replicas_keep_up():
    assert set(ServedStage().run(offered=1.0, seconds=PLENTY_S)) == {1}


def test_it_does_not_grow_when_the_stage_behind_holds_it_up():
    assert set(ServedStage().run(offered=2.0, seconds=PLENTY_S, held_up=True)) == {1}


def test_it_shrinks_only_after_a_long_quiet_and_not_below_the_bound():
    stage = ServedStage(replicas=3)
    assert set(stage.run(offered=0.1, seconds=59)) == {3}
    assert stage.run(offered=0.1, seconds=PLENTY_S)[-1] == 1


def test_it_keeps_a_replica_that_the_others_would_miss():
    assert set(ServedStage(replicas=2).run(offered=0.7, seconds=PLENTY_S)) == {2}


def test_it_waits_until_a_change_has_taken_effect():
    autoscaler, busy_s = Autoscaler(CONFIG), itertools.count()
    ask = [autoscaler.decide(StageLoad("stage", 1, next(busy_s), 9.0), 1, float(at)) for at in range(6)]
    assert ask[-1] == 2
    # the second replica is still loading, so the waiting proves nothing, however long it lasts
    assert {autoscaler.decide(StageLoad("stage", 1, next(busy_s), 9.0), 2, float(at)) for at in range(6, 100)} == {2}


def test_a_new_broker_and_a_returning_replica_begin_a_new_measurement():
    for change in (StageLoad("stage", 1, 0.0, 9.0), StageLoad("stage", 2, 5.0, 9.0)):
        autoscaler = Autoscaler(CONFIG)
        for at in range(5):
            assert autoscaler.decide(StageLoad("stage", 1, 10.0 + at, 9.0), 1, float(at)) == 1
        assert autoscaler.decide(change, 1, 5.0) == 1


@given(st.lists(st.tuples(st.integers(0, 6), st.floats(0, 100), st.floats(0, 100)), max_size=200))
def test_it_moves_by_one_within_the_bounds_whatever_it_is_told(loads):
    autoscaler, desired = Autoscaler(CONFIG), 2
    for second, (ready, busy_s, wait_s) in enumerate(loads):
        before, desired = desired, autoscaler.decide(StageLoad("stage", ready, busy_s, wait_s), desired, float(second))
        assert abs(desired - before) <= 1
        assert CONFIG.min <= desired <= CONFIG.max


@given(st.floats(0, 6), st.integers(1, 4))
def test_a_steady_load_never_makes_it_flap(offered, replicas):
    """It finds a number and keeps it: up and then never down, or down and then never up."""
    counts = ServedStage(replicas=replicas).run(offered, seconds=PLENTY_S)
    steps = [after - before for before, after in itertools.pairwise(counts) if after != before]
    assert len(set(steps)) <= 1
    assert len(set(counts[PLENTY_S // 2 :])) == 1
