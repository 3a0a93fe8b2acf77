"""The jobs that wait for a stage."""

from __future__ import annotations

from collections import OrderedDict

from workers.scheduling.request import Job
from workers.wire.messages import Priority

BATCH_TURN = 5  # while batch jobs wait, every fifth job leased is one of them, so that they never starve


class StageQueue:
    """Jobs in order of arrival, interactive before batch. `cost` is their total cost."""

    def __init__(self) -> None:
        self._classes: dict[Priority, OrderedDict[int, Job]] = {"interactive": OrderedDict(), "batch": OrderedDict()}
        self._passed_over = 0  # interactive jobs taken in a row while batch jobs waited
        self.cost = 0.0

    def __len__(self) -> int:
        return sum(map(len, self._classes.values()))

    def push(self, job: Job) -> None:
        """Adds a job at the end."""
        self._classes[job.request.priority][job.id] = job
        self.cost += job.meta.cost

    def push_front(self, job: Job) -> None:
        """Adds a job at the front: one that was leased and has not ended."""
        self.push(job)
        self._classes[job.request.priority].move_to_end(job.id, last=False)

    def remove(self, job: Job) -> None:
        """Removes a job, wherever it stands."""
        del self._classes[job.request.priority][job.id]
        self.cost = self.cost - job.meta.cost if self else 0.0  # sheds the rounding errors whenever it is empty

    def head(self) -> Job | None:
        """The job to lease next, or None."""
        interactive, batch = self._classes["interactive"], self._classes["batch"]
        first = batch if batch and (not interactive or self._passed_over >= BATCH_TURN - 1) else interactive
        return next(iter(first.values()), None)

    def pop_head(self) -> Job:
        """Removes and returns the job that `head` shows.

        Raises:
            IndexError: the queue is empty.
        """
        job = self.head()
        if job is None:
            raise IndexError("the queue is empty")
        if job.request.priority == "batch" or not self._classes["batch"]:
            self._passed_over = 0
        else:
            self._passed_over += 1
        self.remove(job)
        return job

    def oldest_at(self) -> float:
        """When the job at the head began to wait; infinite when none waits."""
        job = self.head()
        return job.queued_at if job else float("inf")
