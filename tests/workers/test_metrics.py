"""What is counted, on events of the test's own."""

from __future__ import annotations

from typing import Any

from workers.metrics import STATES, Metrics
from workers.path_order import PathOrder
from workers.stage_queue import Request
from workers.wire import Meta, StageInfo, Standing


def request(submitted_at: float = 0.0) -> Request:
    order: PathOrder[Any] = PathOrder(1)
    return Request("r", b"c", "interactive", submitted_at, float("inf"), False, order)


def samples(metrics: Metrics, replicas: int = 1, at_work: frozenset[str] = frozenset()) -> dict[tuple[str, ...], float]:
    info = StageInfo("speak", "module", replicas, 0, 1, 0, 0)
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in metrics.families([info], at_work)
        for sample in family.samples
    }


def states(metrics: Metrics, **options: Any) -> dict[str, float]:
    """The states that some replica is in."""
    seen = samples(metrics, **options)
    counts = {state: seen["relevo_replicas", "speak", state] for state in STATES}
    return {state: count for state, count in counts.items() if count}


def test_a_replica_is_seen_in_one_state_from_its_start_to_its_end():
    metrics = Metrics(["speak"], [])
    assert states(metrics) == {"dead": 1}
    for state in ("loading", "warming", "ready"):
        metrics.standing(Standing("a", "speak", state))
        assert states(metrics) == {state: 1}
    assert states(metrics, at_work={"a"}) == {"busy": 1}
    metrics.standing(Standing("a", "speak", "busy"))
    assert states(metrics) == {"ready": 1}  # its last beat is older than the end of its job
    metrics.retiring("a")
    assert states(metrics, replicas=0) == {"draining": 1}
    metrics.standing(Standing("a", "speak", "busy"))
    assert states(metrics) == {"draining": 1, "dead": 1}  # its successor is not there yet
    metrics.standing(Standing("a", "speak", "dead"))
    metrics.gone("a")
    assert states(metrics, replicas=0) == {}


def test_memory_is_that_of_a_stages_replicas_together():
    metrics = Metrics(["speak"], [])
    for name in ("a", "b"):
        metrics.standing(Standing(name, "speak", "ready", rss_bytes=100))
    metrics.standing(Standing("a", "speak", "ready"))  # not every sign of life tells it
    assert samples(metrics)["relevo_replica_rss_bytes", "speak"] == 200


def test_the_first_audio_is_the_first_that_can_be_heard():
    metrics, asked = Metrics(["speak"], []), request(submitted_at=10.0)
    metrics.audio_out(asked, Meta("audio", 2.0, silence_s=2.0), now=11.0)
    assert samples(metrics)["relevo_time_to_first_audio_seconds_count",] == 0
    metrics.audio_out(asked, Meta("audio", 3.0, silence_s=0.5), now=12.0)
    metrics.audio_out(asked, Meta("audio", 3.0, silence_s=0.0), now=13.0)
    metrics.audio_out(request(), Meta("text", 3.0), now=13.0)
    seen = samples(metrics)
    assert seen["relevo_time_to_first_audio_seconds_count",] == 1
    assert seen["relevo_time_to_first_audio_seconds_sum",] == (12.0 - 10.0) + 2.0 + 0.5
    assert seen["relevo_audio_seconds_total", "out"] == 8.0
