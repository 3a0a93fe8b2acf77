"""The stage times that the seed of this project published, as a relay to simulate."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.tune.model.fit import RelayModel, StageModel
from benchmarks.tune.model.profile import TracedJob
from errors import ConfigError
from workers.scheduling.stage import StagePlan

STAGES = ("es_audio_to_en_text", "en_text_to_zh_text", "zh_text_to_zh_audio")
COLD_CALLS = 1


def read_seed_times(path: Path) -> tuple[RelayModel, list[StagePlan]]:
    """Reads lists of seconds by stage name as a model; the first, cold call of each stage is left out.

    Raises:
        ConfigError: the file cannot be read, or has no such lists.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        times = [content[name][COLD_CALLS:] for name in STAGES]
        requests = tuple(_request(row) for row in zip(*times, strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"--seed-times {path} needs lists of seconds named {', '.join(STAGES)}, all of one length: {error}"
        ) from error
    stages = tuple(StageModel(name, base_s=1.0, slope_s=0.0) for name in STAGES)
    plans = [StagePlan(name, "text" if depth else "audio") for depth, name in enumerate(STAGES)]
    return RelayModel(stages, requests), plans


def _request(seconds: tuple[float, ...]) -> TracedJob:
    """Makes a chain of jobs, one for each stage; the factor of a job is its time."""
    job = TracedJob(1.0)
    for factor in reversed(seconds):
        job = TracedJob(1.0, (job,), factor)
    return job
