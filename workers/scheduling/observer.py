"""What the scheduler reports to the metrics: the ends of jobs, batches and requests, and the audio sent."""

from __future__ import annotations

from workers.scheduling.request import Job, Request
from workers.wire.messages import JobEnd, Meta, OutcomeName


class Observer:
    """Is called for each event and ignores it; a subclass counts. A stage is given as its place in the relay."""

    def accepted(self, meta: Meta) -> None:
        """A request was admitted."""

    def batch_ended(self, stage: int, jobs: int, busy_s: float) -> None:
        """A replica finished a batch of `jobs` jobs, which it computed for `busy_s`."""

    def job_ended(self, job: Job, ended: JobEnd, now: float) -> None:
        """A replica finished a job whose request was still open."""

    def audio_out(self, request: Request, meta: Meta, now: float) -> None:
        """A piece of the request's answer was sent to its client."""

    def request_ended(self, request: Request, outcome: OutcomeName, now: float) -> None:
        """A request ended, perhaps at admission; its jobs that have not ended are dropped with it."""
