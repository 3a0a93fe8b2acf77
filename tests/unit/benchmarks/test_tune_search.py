"""The settings that are tried, their ranking, the knee, and the capacities of the seed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.common.environment import ROOT
from benchmarks.load.figures.objective import Objective
from benchmarks.load.sending.arrivals import Poisson
from benchmarks.tune.answer import first_choice
from benchmarks.tune.capacity import growth, knee, limits
from benchmarks.tune.model.fit import RelayModel, StageModel
from benchmarks.tune.model.profile import TracedJob
from benchmarks.tune.model.seed_times import STAGES, read_seed_times
from benchmarks.tune.search import MAX_SETTINGS, Candidate, TuningGoal, ranked, saturated_rps, search, shortlist
from benchmarks.tune.setting import Machine, Setting
from errors import ConfigError
from workers.scheduling.stage import StagePlan

SEED_TIMES = ROOT.parent / "shared" / "data" / "seed_times.json"
GIB = 2**30


def relay(gpu_speed: float = 0.0) -> tuple[RelayModel, list[StagePlan]]:
    """A short stage and one three times as long; both compute all the time, and a second thread helps a little."""
    scaling = {"share": {1: 1.0, 2: 0.7}, "cores": {1: 1.0, 2: 1.5}, "rss_bytes": GIB}
    stages = (
        StageModel("listen", 1.0, 0.0, **scaling),
        StageModel("speak", 3.0, 0.0, gpu_speed=gpu_speed, **scaling),
    )
    return RelayModel(stages, (TracedJob(1.0, (TracedJob(1.0, (TracedJob(1.0),)),)),)), [
        StagePlan("listen", "audio"),
        StagePlan("speak"),
    ]


@pytest.mark.parametrize("machine", [Machine(2), Machine(4, memory_bytes=5 * GIB), Machine(64, memory_bytes=90 * GIB)])
def test_the_settings_tried_fit_the_cores_and_the_memory(machine: Machine) -> None:
    model, plans = relay()
    found, fitting = shortlist(model, plans, machine, (1, 2, 4, 8))
    assert found
    assert len(found) == len(set(found)) <= max(MAX_SETTINGS, fitting)
    for setting in found:
        assert setting.fits(model, machine)
        assert sum(setting.replicas) * GIB <= machine.memory_bytes
    if fitting <= MAX_SETTINGS:
        assert len(found) == fitting


def test_on_two_cores_every_setting_is_tried() -> None:
    model, plans = relay()
    found, _ = shortlist(model, plans, Machine(2), (1, 2))
    each = [(1, 1), (2, 1), (1, 2)]
    assert sorted(found) == sorted(Setting((a, b), (i, j)) for a, i in each for b, j in each)


def test_too_little_memory_is_refused() -> None:
    model, plans = relay()
    with pytest.raises(ConfigError, match="not even one replica of each stage fits the memory"):
        shortlist(model, plans, Machine(4, memory_bytes=GIB), (1,))


def test_a_gpu_stage_takes_no_cores_and_at_most_two_replicas_a_gpu() -> None:
    model, plans = relay(gpu_speed=10.0)
    found, _ = shortlist(model, plans, Machine(2, gpus=2), (1,))
    assert {setting.replicas[1] for setting in found} == {1, 2, 3, 4}
    assert {setting.cpu_threads(model) for setting in found} == {1, 2}


def test_the_limit_is_named_with_its_cause() -> None:
    model, plans = relay()
    alone, together = (limits(model, plans, Setting((1, n), (1, 1)), Machine(2))[0] for n in (1, 2))
    assert (alone.name, alone.rps) == ("speak", pytest.approx(1 / 3))
    assert "1 replica ÷ 3 s" in alone.why
    assert (together.name, together.rps) == ("cores", pytest.approx(2 / 4))
    assert "2 cores ÷ 4 CPU-s" in together.why


def test_growth_adds_where_the_limit_is_and_stops_at_the_cores() -> None:
    model, plans = relay()
    path = growth(model, plans, Setting((1, 1), (1, 1)), Machine(8))
    assert [setting.ratio for setting in path][:5] == ["1:1", "1:2", "1:3", "2:3", "2:4"]
    assert limits(model, plans, path[-1], Machine(8))[0].name == "cores"


def test_the_knee_is_where_further_replicas_gain_little() -> None:
    assert knee([1.0, 2.0, 3.0, 3.1, 3.1]) == 2
    assert knee([1.0, 1.0]) == 0
    assert knee([1.0, 2.0]) == 1
    assert knee([1.0, 1.02, 2.0, 2.05]) == 2  # a step that gains little may be needed for the next


def candidate(rps: float, threads: int) -> Candidate:
    return Candidate(Setting((threads,), (1,)), (), rps, None, (0, threads, threads * GIB))


def test_of_equals_the_cheaper_goes_first_and_settings_that_reach_the_wanted_rate_are_equal() -> None:
    found = [candidate(1.0, 4), candidate(0.995, 2), candidate(0.9, 1)]
    assert [c.cost[1] for c in ranked(found, None)] == [2, 4, 1]
    assert [c.cost[1] for c in ranked(found, rate=0.8)] == [1, 2, 4]
    assert [c.cost[1] for c in ranked(found, rate=5.0)] == [2, 4, 1]  # nothing reaches it: as near as can be


def test_an_objective_keeps_the_rate_below_saturation_and_more_room_carries_more() -> None:
    model, plans = relay()
    settings = [Setting((1, n), (1, 1)) for n in (1, 2, 4)]
    goal = TuningGoal(Poisson(), Objective.parse("p95=8s"), requests=100)
    best, *others = search(model, plans, Machine(16), settings, goal, lambda: None)
    assert best.setting.ratio == "1:4"
    assert all(0 < c.rps <= c.saturated_rps <= c.tightest.rps for c in (best, *others))
    assert best.rps < best.saturated_rps
    hopeless = TuningGoal(Poisson(), Objective.parse("p95=2s"))  # a lone request takes 4 s
    assert search(model, plans, Machine(16), settings[:1], hopeless, lambda: None)[0].rps == 0.0


def uneven_relay() -> tuple[RelayModel, list[StagePlan]]:
    """A relay of one stage whose requests take 1 s, but for one in five that takes 6 s."""
    requests = tuple(TracedJob(1.0, (), factor) for factor in (1.0, 1.0, 1.0, 1.0, 6.0))
    return RelayModel((StageModel("speak", 1.0, 0.0, cores={1: 1.0}),), requests), [StagePlan("speak", "audio")]


@pytest.mark.parametrize("replicas", [1, 2, 3])
@pytest.mark.parametrize("requests", [20, 60, 300])
def test_no_simulation_exceeds_the_limit_of_the_means(replicas: int, requests: int) -> None:
    model, plans = uneven_relay()
    setting = Setting((replicas,), (1,))
    assert (
        saturated_rps(model, plans, setting, Machine(4), requests) <= limits(model, plans, setting, Machine(4))[0].rps
    )


def test_a_rate_held_for_the_length_of_a_simulation_is_capped_at_saturation_and_the_answer_says_why() -> None:
    model, plans = uneven_relay()
    goal = TuningGoal(Poisson(), Objective.parse("p50=100s"), requests=40)  # 40 requests end before the queue is long
    (best,) = search(model, plans, Machine(1), [Setting((1,), (1,))], goal, lambda: None)
    assert best.held_rps is not None
    assert best.held_rps > best.saturated_rps == best.rps == pytest.approx(0.5, rel=0.05)
    assert f"held p50=100s at {best.held_rps:.3f} requests/s" in first_choice(best, goal)
    assert f"first choice: 1 with 1 threads, {best.saturated_rps:.3f} requests/s" in first_choice(best, goal)


def seed_file(path: Path) -> Path:
    """Lists whose first, cold call would spoil the means."""
    times = {STAGES[0]: [9.0, 0.4, 0.6], STAGES[1]: [9.0, 0.1, 0.1], STAGES[2]: [9.0, 2.0, 1.0]}
    path.write_text(json.dumps(times))
    return path


def capacities(path: Path, most: int) -> list[float]:
    model, plans = read_seed_times(path)
    settings = (Setting((1, 1, n), (1, 1, 1)) for n in range(1, most + 1))
    return [limits(model, plans, setting, Machine(64))[0].rps for setting in settings]


def test_capacities_of_published_times_leave_the_cold_call_out(tmp_path: Path) -> None:
    found = capacities(seed_file(tmp_path / "times.json"), 5)
    assert found == pytest.approx([1 / 1.5, 2 / 1.5, 2.0, 2.0, 2.0])
    assert knee(found) + 1 == 3


@pytest.mark.skipif(not SEED_TIMES.exists(), reason=f"the seed's times are not at {SEED_TIMES}")
def test_the_seeds_known_capacities_are_reproduced() -> None:
    found = capacities(SEED_TIMES, 6)
    assert [f"{rps:.3f}" for rps in found] == ["0.318", "0.635", "0.953", "1.270", "1.290", "1.290"]
    assert knee(found) + 1 == 4


def test_times_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "times.json"
    path.write_text(json.dumps({STAGES[0]: [1.0]}))
    with pytest.raises(ConfigError, match=f"needs lists of seconds named {STAGES[0]}"):
        read_seed_times(path)
