"""The modules as a relay of our own, with audio handed over phrase by phrase."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from benchmarks.peers.systems.system import RelayTask
from modules.contract.payloads import Payload
from pipeline import Pipeline
from workers.client.result import Result
from workers.config import PipelineConfig, load_config, nested

MARKED_SPEECH = "benchmarks.peers.systems.marked_speech:MarkedSpeech"


class RelevoRelay:
    """A relay whose speech stage leaves the marks of a worker."""

    def __init__(self, task: RelayTask) -> None:
        self._pipeline = Pipeline(_with_marks(task))
        self._pipeline.start()

    def submit(self, payload: Payload) -> Future[Result]:
        """Sends one request and returns at once; see System."""
        return self._pipeline.submit(payload)

    def close(self) -> None:
        """Ends its processes, without waiting for requests."""
        self._pipeline.stop(drain_s=0.0)


def _with_marks(task: RelayTask) -> PipelineConfig:
    config = load_config(task.config, ratio=task.ratio, **nested(list(task.changes)))
    *_, (last, stage) = config.stages.items()
    options: dict[str, Any] = {
        "module": stage.module,
        "options": stage.options,
        "folder": task.folder,
        "depth": len(config.stages) - 1,
    }
    marked = stage.model_copy(update={"module": MARKED_SPEECH, "options": options})
    return config.model_copy(update={"stages": {**config.stages, last: marked}})
