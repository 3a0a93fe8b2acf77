"""Runs a module on one batch, and turns its outputs and failures into messages."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from errors import InputError, RelevoError
from modules.contract.module import Module
from modules.contract.payloads import Payload
from workers.replica.output_check import checked_output, checked_position
from workers.wire import messages
from workers.wire.payload_frames import pack, unpack
from workers.wire.shorten import shorten

logger = logging.getLogger("relevo.replica")


@dataclass(slots=True)
class RunningJob:
    """One job of the batch while it is computed. `outputs` counts those sent so far. A live job has a payload."""

    lease: messages.JobLease
    payload: Payload | None
    deadline_at: float
    outputs: int = 0
    service_s: float = 0.0
    error: str = ""
    expired: bool = False
    abandoned: bool = False

    @property
    def live(self) -> bool:
        return not (self.error or self.expired or self.abandoned)

    def begin(self, now: float) -> bool:
        """Returns whether to compute it; a job whose deadline has passed before its first output expires instead."""
        self.expired |= self.live and not self.outputs and self.deadline_at <= now
        return self.live


class Batch:
    """One batch on its way through a module.

    When several jobs fail together, each is tried again by itself, so that only the one at fault fails. Outputs that a
    job has already sent are not sent again.
    """

    def __init__(
        self,
        replica: str,
        batch: messages.BatchLease,
        frames: Sequence[messages.Buffer],
        send: Callable[[messages.Output, messages.Buffer], None],
        abandoned: Callable[[], Iterable[int]],
    ) -> None:
        """Prepares; computes nothing.

        Args:
            replica: name of this replica, for its messages.
            batch: the jobs.
            frames: the payload of each job.
            send: sends an output with its payload.
            abandoned: returns the jobs that were abandoned since its last call.
        """
        self._replica, self._send, self._abandoned = replica, send, abandoned
        self._jobs = [_running_job(lease, frame) for lease, frame in zip(batch.jobs, frames, strict=True)]

    def run(self, module: Module) -> messages.BatchEnd:
        """Computes every job, sends each output as soon as it is there, and returns the end of the batch."""
        self._began = time.monotonic()
        together = [job for job in self._jobs if job.begin(self._began)]
        failure = self._try(module, together)
        if failure and len(together) == 1:
            together[0].error = failure
        elif failure:
            for job in together:
                if job.begin(time.monotonic()):
                    job.error = self._try(module, [job])
        return messages.BatchEnd(
            self._replica,
            time.monotonic() - self._began,
            tuple(
                messages.JobEnd(job.lease.job, job.lease.attempt, job.outputs, job.service_s, job.error, job.expired)
                for job in self._jobs
            ),
        )

    def _try(self, module: Module, jobs: list[RunningJob]) -> str:
        """Runs the module on the jobs; returns the error, or an empty text."""
        try:
            self._compute(module, jobs)
        except Exception as error:
            logger.exception("a batch of %d failed", len(jobs))
            reason = str(error) if isinstance(error, RelevoError) else f"{type(error).__name__}: {error}"
            return shorten(reason)
        return ""

    def _compute(self, module: Module, jobs: list[RunningJob]) -> None:
        if not any(job.live for job in jobs):
            return
        yielded = [0] * len(jobs)
        for position, output in module.process([job.payload for job in jobs if job.payload is not None]):
            place = checked_position(position, len(jobs))
            job, index = jobs[place], yielded[place]
            yielded[place] += 1
            if job.live and index >= job.outputs:
                self._pass_on(job, index, checked_output(module, output))
            given_up = set(self._abandoned())  # asked after the output has left: the next stage waits for that
            for job in self._jobs:
                job.abandoned |= job.lease.job in given_up
            if not any(job.live for job in jobs):
                break
        for job in jobs:
            job.service_s = time.monotonic() - self._began

    def _pass_on(self, job: RunningJob, index: int, output: Payload | InputError) -> None:
        if isinstance(output, InputError):
            job.error = shorten(str(output))
            return
        meta, frame = pack(output)
        self._send(messages.Output(self._replica, job.lease.job, job.lease.attempt, index, meta), frame)
        job.outputs += 1


def _running_job(lease: messages.JobLease, frame: messages.Buffer) -> RunningJob:
    deadline_at = math.inf if lease.deadline_s is None else time.monotonic() + lease.deadline_s
    try:
        return RunningJob(lease, unpack(lease.meta, frame), deadline_at)
    except RelevoError as error:
        return RunningJob(lease, None, deadline_at, error=str(error))
