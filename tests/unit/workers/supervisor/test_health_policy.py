"""When a replica is slow to load, silent, stuck or too large, on a clock of the test's own."""

from __future__ import annotations

import math

from workers.config import StageConfig
from workers.supervisor.health_policy import HealthPolicy

POLICY = HealthPolicy(load_timeout_s=300, stuck_after_s=60, heartbeat_timeout_s=15, memory_limit_mb=100)


def test_a_replica_may_load_as_long_as_its_stage_allows():
    assert POLICY.slow_to_load(1000.0, 1300.0) == ""
    assert POLICY.slow_to_load(1000.0, 1301.0) == "not ready after 301 s"


def test_a_replica_may_be_silent_between_two_heartbeats():
    assert POLICY.silent(1000.0, 0.0, 1015.0) == ""
    assert POLICY.silent(1000.0, 0.0, 1016.0) == "no heartbeat for 16 s"


def test_silence_counts_only_while_the_broker_listens():
    assert POLICY.silent(1000.0, math.inf, 9999.0) == ""
    assert POLICY.silent(1000.0, 2000.0, 2015.0) == ""
    assert POLICY.silent(1000.0, 2000.0, 2016.0) == "no heartbeat for 16 s"


def test_a_replica_may_compute_for_a_time_without_an_output():
    assert POLICY.stuck(60.0) == ""
    assert POLICY.stuck(61.0) == "computing for 61 s without an output"


def test_a_replica_may_use_as_much_memory_as_its_stage_allows():
    assert POLICY.over_memory(100 * 2**20) == ""
    assert POLICY.over_memory(101 * 2**20) == "101 MiB of memory where 100 MiB are allowed"
    assert HealthPolicy(300, 60, 15).over_memory(2**50) == ""


def test_the_limits_are_those_of_the_configuration():
    stage = StageConfig(module="kokoro", load_timeout_s=1, stuck_after_s=2, memory_limit_mb=4)
    assert HealthPolicy.of(stage, 3) == HealthPolicy(1, 2, 3, 4)
