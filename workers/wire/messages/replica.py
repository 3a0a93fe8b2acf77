"""Messages between a replica and the broker."""

from __future__ import annotations

from workers.wire.messages.records import Amount, BaseMessage, JobEnd, JobLease, Meta, ReplicaState

# from the replica


class Join(BaseMessage, frozen=True):
    """Asks for the stage's specification; answered by StageSpec or Refused."""

    replica: str
    stage: str


class Ready(BaseMessage, frozen=True):
    """The replica's model is loaded and warm, and it is idle: its first credit."""

    replica: str
    stage: str


class Output(BaseMessage, frozen=True):
    """Output number ``index`` of a job, from 0; its payload is the one frame that follows."""

    replica: str
    job: int
    attempt: int
    index: int
    meta: Meta


class BatchEnd(BaseMessage, frozen=True):
    """The end of a batch, and the replica's next credit. ``batch_s`` is how long it was computed."""

    replica: str
    batch_s: Amount
    jobs: tuple[JobEnd, ...]


class Heartbeat(BaseMessage, frozen=True):
    """Tells that the replica lives, from a second socket, also while the model computes.

    ``busy_s`` is the time since its batch or its latest output began.
    """

    replica: str
    stage: str
    state: ReplicaState
    busy_s: Amount
    rss_bytes: int


class Leave(BaseMessage, frozen=True):
    """The replica ends. ``reason`` is empty after a drain; ``fatal`` means that a restart would not help."""

    replica: str
    stage: str
    reason: str
    fatal: bool


# to the replica


class StageSpec(BaseMessage, frozen=True):
    """The answer to Join: what the replica is to load, as JSON."""

    spec: bytes


class Refused(BaseMessage, frozen=True):
    """The relay has no place for the replica, which ends."""

    reason: str


class BatchLease(BaseMessage, frozen=True):
    """A batch of jobs to compute; their payloads follow, one frame a job."""

    jobs: tuple[JobLease, ...]


class AbandonJob(BaseMessage, frozen=True):
    """The job's request has ended; the replica drops the job at its next output."""

    job: int


class Resync(BaseMessage, frozen=True):
    """The broker does not know the replica, or has lost track of its lease.

    A replica that has loaded ``spec`` answers with Ready once it is idle; one that has not yet joined sends Join again.
    """

    spec: bytes


class Drain(BaseMessage, frozen=True):
    """Asks the replica to finish its batch and leave."""
