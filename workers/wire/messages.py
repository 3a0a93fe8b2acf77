"""The messages that clients, the broker, replicas and the supervisor exchange over ZeroMQ.

`workers.wire.codec` turns them into frames and back. Times are durations in seconds: no clock is shared between hosts.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from modules.contract.notes import Note

Buffer = bytes | memoryview
JobPath = tuple[int, ...]
OutcomeName = Literal["ok", "rejected", "expired", "cancelled", "failed", "dead_letter"]
Priority = Literal["interactive", "batch"]
RestartCause = Literal["killed", "exited", "stuck", "memory"]
ReplicaState = Literal["starting", "loading", "warming", "ready", "busy", "draining", "dead"]


# Bounds that no honest figure reaches: infinity, or what is not a number, would spread through the sums that it enters.
_Amount = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
_Seconds = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]


class _Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A part of a message."""


class _Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=True, gc=False):
    """A message; its class name is its tag on the wire."""


class Meta(_Record, frozen=True):
    """What the broker may know of a payload: its kind, place on the time line and cost, never its content.

    ``silence_s`` is how much of an audio passes before its first audible sample.
    """

    kind: Literal["audio", "text"]
    cost: _Amount
    start_s: float = 0.0
    end_s: float = 0.0
    language: str = ""
    sample_rate: int = 0
    notes: tuple[Note, ...] = ()
    silence_s: float = 0.0


class Span(_Record, frozen=True):
    """What one job took at one stage.

    ``start_s`` is when its service began, counted from the request's arrival at the broker. ``busy_s`` is the
    job's share of its batch's service time: summed over jobs it is the time that replicas computed.
    """

    stage: str
    path: JobPath
    attempt: int
    replica: str
    start_s: float
    queue_s: float
    service_s: float
    busy_s: float
    batch: int


class StageLoad(_Record, frozen=True):
    """How much a stage has to do.

    ``busy_s`` adds up, over its replicas and since the broker's start, how long they have had work in hand;
    ``wait_s`` is how long the job at the head of its queue has waited.
    """

    stage: str
    ready: int
    busy_s: float
    wait_s: float


class StageInfo(_Record, frozen=True):
    """What a client may know of a stage."""

    name: str
    module: str
    replicas: int
    ready: int
    threads: int
    queued: int
    in_service: int


# client → broker


class GetStatus(_Message, frozen=True):
    """Asks for a RelayStatus: at the start, to see whether the relay is ready, and to notice a restarted broker."""


class Submit(_Message, frozen=True):
    """One request; its payload is the one frame that follows. Sending the same id again changes nothing.

    ``stage`` names the stage to enter the relay at; empty for the first.
    """

    request: str
    meta: Meta
    deadline_s: _Seconds | None = None
    priority: Priority = "interactive"
    progress: bool = False
    stage: str = ""


class Cancel(_Message, frozen=True):
    """The client no longer wants the request."""

    request: str


class Scale(_Message, frozen=True):
    """Asks for another number of replicas of a stage."""

    stage: str
    replicas: int


# broker → client


class ScaleReply(_Message, frozen=True):
    """The answer to Scale. ``error`` says why it was refused; empty when it was accepted."""

    error: str


class RelayStatus(_Message, frozen=True):
    """The broker's state. A new ``instance`` means that the broker restarted and knows no earlier request.

    ``refused`` counts the messages and the connections that this broker has turned away.
    """

    instance: str
    ready: bool
    accepts: Literal["audio", "text"]
    stages: tuple[StageInfo, ...]
    refused: int


class JobStarted(_Message, frozen=True):
    """A replica began to work on a job of the request (only sent when the request asked for progress)."""

    request: str
    stage: str
    path: JobPath


class RequestOutput(_Message, frozen=True):
    """One output of one stage, in path order for each stage; the payload is the one frame that follows."""

    request: str
    stage: str
    path: JobPath
    meta: Meta


class Outcome(_Message, frozen=True):
    """How the request ended, exactly once. ``retry_after_s`` is the wait to expect after a rejection."""

    request: str
    outcome: OutcomeName
    reason: str
    retry_after_s: float
    spans: tuple[Span, ...]


# replica → broker


class Join(_Message, frozen=True):
    """A replica dials in and asks for its stage's specification."""

    replica: str
    stage: str
    pid: int


class Ready(_Message, frozen=True):
    """The replica's model is loaded and warm; this is its first credit."""

    replica: str
    stage: str


class Output(_Message, frozen=True):
    """Output number ``index`` of a job; the payload is the one frame that follows."""

    replica: str
    job: int
    attempt: int
    index: int
    meta: Meta


class JobEnd(_Record, frozen=True):
    """The end of one job of a batch. ``error`` is empty when it went well; ``expired`` when it was not begun."""

    job: int
    attempt: int
    outputs: int
    service_s: _Amount
    error: str = ""
    expired: bool = False


class BatchEnd(_Message, frozen=True):
    """The end of a batch, and the replica's next credit."""

    replica: str
    batch_s: _Amount
    jobs: tuple[JobEnd, ...]


class Heartbeat(_Message, frozen=True):
    """Tells that the replica lives, from its second socket, also while the model computes."""

    replica: str
    stage: str
    state: ReplicaState
    busy_s: _Amount
    rss_bytes: int


class Leave(_Message, frozen=True):
    """The replica goes. ``reason`` is empty after a drain; ``fatal`` means that a restart would not help."""

    replica: str
    stage: str
    reason: str
    fatal: bool


# broker → replica


class StageSpec(_Message, frozen=True):
    """The answer to Join: the stage's specification, as the JSON of its configuration."""

    spec: bytes


class JobLease(_Record, frozen=True):
    """One job of a batch."""

    job: int
    attempt: int
    meta: Meta
    deadline_s: float | None


class BatchLease(_Message, frozen=True):
    """A batch; the payloads follow, one frame a job."""

    jobs: tuple[JobLease, ...]


class AbandonJob(_Message, frozen=True):
    """The job's request has ended: the replica drops the job at its next output."""

    job: int


class Refused(_Message, frozen=True):
    """The replica is not wanted here, and may end."""

    reason: str


class Resync(_Message, frozen=True):
    """The broker does not know the replica, or what it holds: Ready is due once it is idle, if ``spec`` is its own."""

    spec: bytes


class Drain(_Message, frozen=True):
    """Finish the batch in hand, then leave."""


# supervisor → broker


class Attach(_Message, frozen=True):
    """The supervisor connects, with the replicas that it wants for each stage."""

    desired: dict[str, int]


class ReplicaGone(_Message, frozen=True):
    """A replica's process has ended; its jobs go back to their queue. ``log_tail`` is the end of its log."""

    replica: str
    cause: str
    log_tail: str = ""


class ReplicaRestarting(_Message, frozen=True):
    """A replica of the stage ended and gets a successor."""

    stage: str
    cause: RestartCause


class GetLoads(_Message, frozen=True):
    """Asks for StageLoads."""


class DesiredReplicas(_Message, frozen=True):
    """The supervisor now wants so many replicas for each stage."""

    replicas: dict[str, int]


class StageDown(_Message, frozen=True):
    """The supervisor gave a stage up: requests that need it fail with the reason."""

    stage: str
    reason: str


class DrainReplica(_Message, frozen=True):
    """Asks the broker to lease no more jobs to the replica, and to send it Drain."""

    replica: str


class DrainRelay(_Message, frozen=True):
    """Refuses new requests; answered by RelayDrained once the accepted ones have ended, after ``within_s`` at most."""

    within_s: float


class ForwardedScaleReply(_Message, frozen=True):
    """The supervisor's answer to a client's Scale, with the replicas that it now wants for each stage."""

    client: bytes
    error: str
    desired: dict[str, int]


# broker → supervisor


class ForwardedScale(_Message, frozen=True):
    """A client asks for another number of replicas."""

    client: bytes
    stage: str
    replicas: int


class BrokerReady(_Message, frozen=True):
    """The answer to Attach: the broker listens. ``clients`` and ``replicas`` are the addresses to connect to.

    ``metrics`` is the host:port that serves its metrics, or empty.
    """

    instance: str
    clients: str
    replicas: str
    metrics: str


class StageLoads(_Message, frozen=True):
    """The answer to GetLoads."""

    loads: tuple[StageLoad, ...]


class ReplicaStatus(_Message, frozen=True):
    """A replica's latest state, passed on from its messages. ``reason`` and ``fatal`` are those of its Leave."""

    replica: str
    stage: str
    state: ReplicaState
    busy_s: float = 0.0
    rss_bytes: int = 0
    reason: str = ""
    fatal: bool = False


class RelayDrained(_Message, frozen=True):
    """Every accepted request has ended."""


FromClient = GetStatus | Submit | Cancel | Scale
ToClient = RelayStatus | ScaleReply | JobStarted | RequestOutput | Outcome
FromReplica = Join | Ready | Output | BatchEnd | Heartbeat | Leave
ToReplica = StageSpec | Refused | BatchLease | AbandonJob | Resync | Drain
FromSupervisor = (
    Attach
    | ReplicaGone
    | ReplicaRestarting
    | GetLoads
    | DesiredReplicas
    | StageDown
    | DrainReplica
    | DrainRelay
    | ForwardedScaleReply
)
ToSupervisor = BrokerReady | StageLoads | ReplicaStatus | ForwardedScale | RelayDrained
Message = FromClient | ToClient | FromReplica | ToReplica | FromSupervisor | ToSupervisor
