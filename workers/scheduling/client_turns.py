"""The jobs of one priority that wait for a stage."""

from __future__ import annotations

from collections import OrderedDict

from workers.scheduling.request import Job


class ClientTurns:
    """Gives each client with waiting jobs one job in turn; the jobs of a client keep their order.

    So a client that sends many requests at once delays its own, and another client's only by one job a turn.
    """

    def __init__(self) -> None:
        self._jobs: OrderedDict[bytes, OrderedDict[int, Job]] = OrderedDict()  # clients by turn, none without jobs
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, job: Job) -> None:
        """Adds a job after the others of its client. A client that had none takes the last turn."""
        self._jobs.setdefault(job.request.client, OrderedDict())[job.id] = job
        self._count += 1

    def push_front(self, job: Job) -> None:
        """Adds a job before all others: it is next."""
        self.push(job)
        client = job.request.client
        self._jobs[client].move_to_end(job.id, last=False)
        self._jobs.move_to_end(client, last=False)

    def remove(self, job: Job) -> None:
        """Removes a job, wherever it stands."""
        client = job.request.client
        del self._jobs[client][job.id]
        self._count -= 1
        if not self._jobs[client]:
            del self._jobs[client]

    def head(self) -> Job | None:
        """The next job, or None."""
        jobs = next(iter(self._jobs.values()), None)
        return next(iter(jobs.values())) if jobs else None

    def end_turn(self, client: bytes) -> None:
        """Gives the turn to the next client."""
        if client in self._jobs:
            self._jobs.move_to_end(client)

    def oldest_at(self) -> float:
        """When the job that has waited longest, of those that are next for their client, began to wait."""
        return min(next(iter(jobs.values())).queued_at for jobs in self._jobs.values())
