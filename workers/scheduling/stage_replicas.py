"""The replicas of one stage as the scheduler sees them: who is warm, who waits for a batch, what each has in hand."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from workers.scheduling.stage_queue import Job


class StageReplicas:
    """Credits and the in-flight table. What a replica has in hand stays here until it says so, or is gone."""

    def __init__(self) -> None:
        self._in_hand: dict[str, dict[int, Job]] = {}
        self._warm: set[str] = set()
        self._credits: deque[str] = deque()  # replicas that wait for a batch, longest first
        self._past_busy_s = 0.0  # that replicas had batches in hand which they no longer have

    @property
    def warm(self) -> int:
        """Replicas that take work."""
        return len(self._warm)

    @property
    def waiting(self) -> bool:
        """Whether a replica waits for a batch."""
        return bool(self._credits)

    @property
    def in_service(self) -> int:
        """Jobs in the hands of replicas."""
        return sum(map(len, self._in_hand.values()))

    @property
    def cost_in_service(self) -> float:
        """Their cost."""
        return sum(job.meta.cost for jobs in self._in_hand.values() for job in jobs.values())

    def join(self, replica: str) -> None:
        """A replica is warm and idle: its first credit."""
        self._in_hand[replica] = {}
        self._warm.add(replica)
        self._credits.append(replica)

    def leave(self, replica: str, now: float) -> list[Job]:
        """Forgets a replica; what it had in hand, in the order it was handed out."""
        self.retire(replica)
        jobs = list(self._in_hand.pop(replica).values())
        self._past_busy_s += _busy_s(jobs, now)
        return jobs

    def retire(self, replica: str) -> None:
        """Gives a replica no more work; what it has in hand is still its own."""
        self._warm.discard(replica)
        if replica in self._credits:
            self._credits.remove(replica)

    def hand(self, batch: Iterable[Job]) -> str:
        """Gives a batch to the replica that has waited longest, for its credit."""
        replica = self._credits.popleft()
        self._in_hand[replica].update((job.id, job) for job in batch)
        return replica

    def in_hand(self, replica: str, job_id: int, attempt: int) -> Job | None:
        """The job, when the replica holds it under this attempt; it may have lost it and hold it again."""
        job = self._in_hand[replica].get(job_id)
        return job if job is not None and job.attempt == attempt else None

    def finish(self, replica: str, job: Job, now: float) -> None:
        """A replica has ended a job that it had in hand."""
        del self._in_hand[replica][job.id]
        if not self._in_hand[replica]:
            self._past_busy_s += _busy_s([job], now)

    def busy_s(self, now: float) -> float:
        """Seconds that replicas have had batches in hand, so far and together."""
        return self._past_busy_s + sum(_busy_s(jobs.values(), now) for jobs in self._in_hand.values())

    def at_work(self) -> list[str]:
        """The replicas that have something in hand."""
        return [replica for replica, jobs in self._in_hand.items() if jobs]

    def credit(self, replica: str) -> None:
        """Takes a replica's next credit, when it has nothing in hand and is to have more."""
        if replica in self._warm and not self._in_hand[replica] and replica not in self._credits:
            self._credits.append(replica)

    def handed_before(self, replica: str, then: float) -> bool:
        """Whether a replica has had a job in hand since before `then`."""
        return any(job.handed_at < then for job in self._in_hand[replica].values())


def _busy_s(jobs: Iterable[Job], now: float) -> float:
    """How long a replica has had these in hand; a batch is handed out at once."""
    first = next(iter(jobs), None)
    return now - first.handed_at if first else 0.0
