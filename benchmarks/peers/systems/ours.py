"""Ours."""

from __future__ import annotations

from concurrent.futures import Future

from benchmarks.peers.systems.system import Task
from modules.contract.payloads import Payload
from pipeline import Pipeline
from workers.client.result import Result
from workers.config import load_config, nested


class Relevo:
    """A relay, with audio handed over phrase by phrase."""

    def __init__(self, task: Task) -> None:
        self._pipeline = Pipeline(load_config(task.config, ratio=task.ratio, **nested(list(task.changes))))
        self._last = self._pipeline.plan.stages[-1].name
        self._pipeline.start()

    def submit(self, payload: Payload) -> Future[Result]:
        """See System."""
        return self._pipeline.submit(payload)

    def speakers(self) -> set[int]:
        """See System."""
        replicas = [replica for replica in self._pipeline.replicas() if replica.stage == self._last]
        return {replica.pid for replica in replicas if replica.pid is not None}

    def close(self) -> None:
        """See System."""
        self._pipeline.stop(drain_s=0.0)
