"""The jobs that wait for a stage."""

from __future__ import annotations

import math

from workers.scheduling.client_turns import ClientTurns
from workers.scheduling.request import Job
from workers.wire.messages import Priority

BATCH_TURN = 5  # while batch jobs wait, every fifth job leased is one of them, so that they never starve


class StageQueue:
    """Interactive jobs before batch jobs, and the clients of each in turn. `cost` is the total cost."""

    def __init__(self) -> None:
        self._classes: dict[Priority, ClientTurns] = {"interactive": ClientTurns(), "batch": ClientTurns()}
        self._passed_over = 0  # interactive jobs taken in a row while batch jobs waited
        self.cost = 0.0

    def __len__(self) -> int:
        return sum(map(len, self._classes.values()))

    def waiting(self, priority: Priority) -> int:
        """The number of jobs of a priority."""
        return len(self._classes[priority])

    def push(self, job: Job) -> None:
        """Adds a job after the others of its client."""
        self._classes[job.request.priority].push(job)
        self.cost += job.meta.cost

    def push_front(self, job: Job) -> None:
        """Adds a job at the front: one that was leased and has not ended."""
        self._classes[job.request.priority].push_front(job)
        self.cost += job.meta.cost

    def remove(self, job: Job) -> None:
        """Removes a job, wherever it stands."""
        self._classes[job.request.priority].remove(job)
        self.cost = self.cost - job.meta.cost if self else 0.0  # sheds the rounding errors whenever it is empty

    def head(self) -> Job | None:
        """The job to lease next, or None."""
        return self._next_class().head()

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
        self._classes[job.request.priority].end_turn(job.request.client)
        return job

    def oldest_at(self) -> float:
        """When the oldest job of the priority that is next began to wait; infinite when none waits."""
        return self._next_class().oldest_at() if self else math.inf

    def _next_class(self) -> ClientTurns:
        interactive, batch = self._classes["interactive"], self._classes["batch"]
        return batch if batch and (not interactive or self._passed_over >= BATCH_TURN - 1) else interactive
