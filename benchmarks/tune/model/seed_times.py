"""The seed's published stage times as a relay to simulate: what 1:1:N it could have carried."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.tune.model.fit import RelayModel, StageModel
from benchmarks.tune.model.profile import TracedJob
from workers.scheduling.stage import StagePlan

STAGES = ("es_audio_to_en_text", "en_text_to_zh_text", "zh_text_to_zh_audio")
COLD_CALLS = 1


def read_seed_times(path: Path) -> tuple[RelayModel, list[StagePlan]]:
    """A model of the stages from lists of seconds by stage name; the first, cold call of each is left out.

    Raises:
        SystemExit: the file has no such lists.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        times = [content[name][COLD_CALLS:] for name in STAGES]
        requests = tuple(_request(row) for row in zip(*times, strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise SystemExit(f"{path} needs lists of seconds named {', '.join(STAGES)}, of one length: {error}") from error
    stages = tuple(StageModel(name, base_s=1.0, slope_s=0.0) for name in STAGES)
    plans = [StagePlan(name, "text" if depth else "audio") for depth, name in enumerate(STAGES)]
    return RelayModel(stages, requests), plans


def _request(seconds: tuple[float, ...]) -> TracedJob:
    """A chain of jobs, one a stage; a job's factor is its time."""
    piece = TracedJob(1.0)
    for factor in reversed(seconds):
        piece = TracedJob(1.0, (piece,), factor)
    return piece
