"""What the scheduler tells whoever counts: the ends of jobs, batches and requests, and the sound that goes out."""

from __future__ import annotations

from workers.scheduling.stage_queue import Job, Request
from workers.wire.messages import JobEnd, Meta, OutcomeName


class Observer:
    """Is told what happens; this one does not care. Stages are told by their place in the relay."""

    def accepted(self, meta: Meta) -> None:
        """A request was accepted at the door."""

    def batch_ended(self, stage: int, jobs: int, busy_s: float) -> None:
        """A replica computed a batch of so many jobs for `busy_s`."""

    def job_ended(self, job: Job, ended: JobEnd, now: float) -> None:
        """A replica came to the end of a job that was still wanted."""

    def audio_out(self, request: Request, meta: Meta, now: float) -> None:
        """A piece of the request's answer goes to the client."""

    def request_ended(self, request: Request, outcome: OutcomeName, now: float) -> None:
        """A request ended, maybe at the door; the jobs that it still has are dropped with it."""
