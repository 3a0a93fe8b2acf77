"""The fit recovers a stage of known numbers from measurements that are made of them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks.tune.model.fit import fit, line
from benchmarks.tune.model.profile import Profile, StageMeasurement, TracedJob, jobs_at
from errors import ConfigError

COSTS = np.array([1.0, 2.0, 4.0, 8.0, 5.0, 3.0])
BASE_S, SLOPE_S, SERIAL, FLOOR, NEIGHBOURS, TURNS = 0.5, 0.25, 0.4, 0.3, 0.1, 0.2
NOISE = np.array([1.02, 0.98, 1.01, 0.99, 1.0, 1.0])


def measurement(
    replicas: int, threads: int, max_batch: int, share: float, demand: float = 1.0, beside: int = 0
) -> StageMeasurement:
    service_s = ((BASE_S + SLOPE_S * COSTS) * NOISE * share).tolist()
    return StageMeasurement(
        replicas=replicas,
        threads=threads,
        max_batch=max_batch,
        service_s=tuple(service_s),
        batches=(max_batch,) * len(COSTS),
        wall_s=sum(service_s) + 0.03 * len(COSTS),
        cpu_s=sum(service_s) * demand,
        rss_bytes=100 * threads,
        beside=beside,
    )


@pytest.fixture
def profile() -> Profile:
    two = SERIAL + (1 - SERIAL) / 2
    measured = (
        measurement(1, 1, 1, 1.0),
        measurement(1, 1, 4, FLOOR + (1 - FLOOR) / 4),
        measurement(1, 2, 1, two, demand=1.6),
        measurement(2, 1, 1, 1 + NEIGHBOURS),
        # both threads at work for 0.6 of the time: three threads on two cores, one of which has to be shared
        measurement(1, 2, 1, two * (1 + 0.4 * NEIGHBOURS) * (0.6 * 1.75 + 0.4 * 1.0) * (1 + TURNS), beside=1),
    )
    requests = tuple(TracedJob(cost, (TracedJob(2 * cost),)) for cost in COSTS.tolist())
    return Profile({}, 2, requests, {"speak": measured})


def test_the_fit_recovers_the_numbers_of_the_stage(profile: Profile) -> None:
    (stage,) = fit(profile).stages
    assert (stage.base_s, stage.slope_s) == (pytest.approx(BASE_S, rel=0.1), pytest.approx(SLOPE_S, rel=0.05))
    assert stage.share == {1: pytest.approx(1.0), 2: pytest.approx(0.7)}
    assert stage.serial == pytest.approx(SERIAL)
    assert stage.cores == {1: pytest.approx(1.0), 2: pytest.approx(1.6)}
    assert stage.batch_floor[1] == pytest.approx(FLOOR)
    assert stage.neighbours == pytest.approx(NEIGHBOURS)
    assert stage.turns == pytest.approx(TURNS)
    assert stage.gap_s == pytest.approx(0.03)
    assert stage.rss_bytes == 200
    assert 0 < stage.error < 0.02


def test_the_gain_of_a_batch_is_taken_from_full_batches_only(profile: Profile) -> None:
    cells = list(profile.stages["speak"])
    full = cells[1]
    first_s = cells[0].service_s[0]  # handed out alone, before the others were there
    cells[1] = msgspec.structs.replace(full, service_s=(first_s, *full.service_s[1:]), batches=(1, *full.batches[1:]))
    (stage,) = fit(msgspec.structs.replace(profile, stages={"speak": tuple(cells)})).stages
    assert stage.batch_floor[1] == pytest.approx(FLOOR)

    cells[1] = msgspec.structs.replace(full, batches=(1,) * len(full.batches))
    (stage,) = fit(msgspec.structs.replace(profile, stages={"speak": tuple(cells)})).stages
    assert stage.batch_floor[1] == 1.0


def test_the_requests_keep_the_residuals_of_the_line(profile: Profile) -> None:
    model = fit(profile)
    alone = [model.stages[0].alone_s(piece, 1) for piece in model.requests]
    assert alone == pytest.approx(list(profile.stages["speak"][0].service_s))
    assert [piece.factor for piece in jobs_at(model.requests, 1)] == [1.0] * len(COSTS)  # nothing serves these


def test_threads_that_were_not_measured_follow_amdahl(profile: Profile) -> None:
    model = fit(profile)
    stage, piece = model.stages[0], model.requests[0]
    assert stage.alone_s(piece, 4) / stage.alone_s(piece, 1) == pytest.approx(SERIAL + (1 - SERIAL) / 4)
    # CPU time a job: 1 at one thread, 1.12 at two, so 1.36 at four, within 0.55 of the time
    assert stage.core_demand(4).demand == pytest.approx(1.36 / 0.55)


def test_a_stage_that_waits_asks_for_no_cores() -> None:
    cells = (
        StageMeasurement(1, 1, 1, (0.2, 0.2), (1, 1), 0.42, 0.0, 1),
        StageMeasurement(2, 1, 1, (0.2, 0.2), (1, 1), 0.21, 0.0, 1),
    )
    (stage,) = fit(Profile({}, 2, (TracedJob(1.0), TracedJob(1.0)), {"speak": cells})).stages
    assert (stage.base_s, stage.slope_s) == (pytest.approx(0.2), 0.0)
    assert stage.core_demand(1).slowdown(0.0, cores=2) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([1.0, 2.0, 3.0], (0.0, 1.0)),
        ([3.0, 2.0, 1.0], (2.0, 0.0)),  # no stage is quicker for more work
        ([0.0, 2.0, 4.0], (0.0, 20 / 14 * 8 / 10)),  # no negative base: through the origin
    ],
)
def test_a_fitted_line_is_never_negative(seconds: list[float], expected: tuple[float, float]) -> None:
    found = line(np.array([1.0, 2.0, 3.0]), np.array(seconds))
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_profile_survives_its_file_and_joins_with_a_second_one(profile: Profile, tmp_path: Path) -> None:
    profile.write(tmp_path / "p.json")
    assert Profile.read(tmp_path / "p.json") == profile
    joined = profile.joined(profile)
    assert len(joined.stages["speak"][0].service_s) == 2 * len(COSTS)
    assert fit(joined).stages[0].base_s == pytest.approx(fit(profile).stages[0].base_s)
    (tmp_path / "other.json").write_text('{"stages": 1}')
    with pytest.raises(ConfigError, match=r"other.json is no profile"):
        Profile.read(tmp_path / "other.json")
