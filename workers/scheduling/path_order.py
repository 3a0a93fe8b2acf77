"""Puts the outputs of one request into path order, in whatever order the replicas finish."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from workers.wire.messages import JobPath

T = TypeVar("T")


class PathOrder(Generic[T]):
    """Releases the outputs of each stage in path order.

    A job of stage k has a path of k indices, and its output i has the job's path + (i,). The number of a job's outputs
    is known only when it ends, so an output waits until every job before it has ended.
    """

    def __init__(self, stages: int) -> None:
        self._ended: dict[JobPath, int] = {}
        self._waiting: list[dict[JobPath, T]] = [{} for _ in range(stages)]
        self._next: list[JobPath] = [(0,) * (stage + 1) for stage in range(stages)]

    def output(self, path: JobPath, item: T) -> None:
        """Adds the output at `path`, which `release` returns in its turn."""
        self._waiting[len(path) - 1][path] = item

    def job_ended(self, path: JobPath, outputs: int) -> None:
        """Notes that the job at `path` ended with this number of outputs."""
        self._ended[path] = outputs

    def is_due(self, stage: int) -> bool:
        """Whether `release` would return an output of the stage at this place."""
        waiting = self._waiting[stage]
        if not waiting:
            return False
        path = self._next[stage] = self._skip_ended(self._next[stage])
        return path in waiting

    def release(self) -> Iterator[tuple[JobPath, T]]:
        """Removes and yields the outputs that are due: earlier stages first, within a stage in path order."""
        for stage, waiting in enumerate(self._waiting):
            while self.is_due(stage):
                path = self._next[stage]
                yield path, waiting.pop(path)
                self._next[stage] = (*path[:-1], path[-1] + 1)

    def _skip_ended(self, path: JobPath) -> JobPath:
        """The first path from `path` on at which an output may still appear, given the jobs that have ended."""
        depth = 1
        while depth <= len(path):
            outputs = self._ended.get(path[: depth - 1])
            if outputs is None or path[depth - 1] < outputs:
                depth += 1
            elif depth == 1:
                break
            else:  # that job has no further output: its next sibling follows
                path = (*path[: depth - 2], path[depth - 2] + 1) + (0,) * (len(path) - depth + 1)
                depth = 1
        return path
