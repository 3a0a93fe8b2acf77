"""A stage that sets its number of replicas by itself, with real processes."""

from __future__ import annotations

import psutil

from pipeline import Pipeline
from tests.conftest import clip, until

WAIT_S = 60


def replicas_of(pipeline: Pipeline, stage: str) -> tuple[int, int]:
    """How many the stage wants, and how many are ready."""
    (info,) = (info for info in pipeline.client.status().stages if info.name == stage)
    return info.replicas, info.ready


def test_a_stage_grows_while_its_queue_is_held_up_and_shrinks_when_it_is_idle(fake_config, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    bounds = {"min": 1, "max": 2, "wait_s": 0.2, "up_after_s": 1, "down_after_s": 2}
    config = fake_config({"translate": {"autoscale": bounds}}, translate={"gate": str(gate)})
    with Pipeline.from_config(config) as pipeline:
        (first,) = (replica.pid for replica in pipeline.replicas() if replica.stage == "translate")
        futures = [pipeline.submit(clip(number / 1000)) for number in range(6)]
        until(lambda: replicas_of(pipeline, "translate") == (2, 2))
        assert psutil.pid_exists(first)  # the newcomer leaves it alone: both have the threads of two
        gate.unlink()
        assert [future.result(WAIT_S).outcome for future in futures] == ["ok"] * 6
        until(lambda: replicas_of(pipeline, "translate") == (1, 1))
        assert pipeline.submit(clip()).result(WAIT_S).outcome == "ok"
        assert replicas_of(pipeline, "listen") == (1, 1)
