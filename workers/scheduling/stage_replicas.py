"""The replicas of one stage: which are warm, which have a credit, and which jobs are leased to each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from workers.scheduling.request import Job


class StageReplicas:
    """The credits and leases of one stage. A lease stays here until its jobs have ended, or its replica is gone."""

    def __init__(self) -> None:
        self._leases: dict[str, dict[int, Job]] = {}
        self._warm: set[str] = set()
        self._credits: deque[str] = deque()  # replicas with a credit, the oldest credit first
        self._past_busy_s = 0.0  # of leases that have ended

    @property
    def warm(self) -> int:
        """The number of replicas that take jobs."""
        return len(self._warm)

    @property
    def has_credit(self) -> bool:
        """Whether a replica waits for a batch."""
        return bool(self._credits)

    @property
    def in_service(self) -> int:
        """The number of jobs that are leased."""
        return sum(map(len, self._leases.values()))

    @property
    def cost_in_service(self) -> float:
        """The cost of the jobs that are leased."""
        return sum(job.meta.cost for jobs in self._leases.values() for job in jobs.values())

    def join(self, replica: str) -> None:
        """Adds a warm and idle replica, with its first credit."""
        self._leases[replica] = {}
        self._warm.add(replica)
        self._credits.append(replica)

    def leave(self, replica: str, now: float) -> list[Job]:
        """Removes a replica; returns the jobs that were leased to it, in the order they were leased."""
        self.drain(replica)
        jobs = list(self._leases.pop(replica).values())
        self._past_busy_s += _busy_s(jobs, now)
        return jobs

    def drain(self, replica: str) -> None:
        """Gives a replica no more jobs; what is leased to it stays so."""
        self._warm.discard(replica)
        if replica in self._credits:
            self._credits.remove(replica)

    def lease(self, batch: Iterable[Job]) -> str:
        """Leases a batch to the replica with the oldest credit, which it spends; returns the replica."""
        replica = self._credits.popleft()
        self._leases[replica].update((job.id, job) for job in batch)
        return replica

    def leased(self, replica: str, job_id: int, attempt: int) -> Job | None:
        """The job, if it is leased to the replica under this attempt; an earlier attempt may have been its own too."""
        job = self._leases[replica].get(job_id)
        return job if job is not None and job.attempt == attempt else None

    def end_lease(self, replica: str, job: Job, now: float) -> None:
        """Ends the lease of one job."""
        del self._leases[replica][job.id]
        if not self._leases[replica]:
            self._past_busy_s += _busy_s([job], now)

    def credit(self, replica: str) -> None:
        """Adds a replica's next credit, unless a job is still leased to it or it drains."""
        if replica in self._warm and not self._leases[replica] and replica not in self._credits:
            self._credits.append(replica)

    def busy(self) -> list[str]:
        """The replicas that have jobs leased."""
        return [replica for replica, jobs in self._leases.items() if jobs]

    def busy_s(self, now: float) -> float:
        """Seconds for which replicas have had jobs leased, summed over the replicas so far."""
        return self._past_busy_s + sum(_busy_s(jobs.values(), now) for jobs in self._leases.values())

    def leased_before(self, replica: str, then: float) -> bool:
        """Whether a job has been leased to a replica since before `then`."""
        return any(job.leased_at < then for job in self._leases[replica].values())


def _busy_s(jobs: Iterable[Job], now: float) -> float:
    """How long a replica has held these jobs; those of a batch are leased at once."""
    first = next(iter(jobs), None)
    return now - first.leased_at if first else 0.0
