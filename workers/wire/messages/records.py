"""What messages are made of: their base classes, the bounds of their figures, and the parts that several share."""

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

MAX_AMOUNT = 1e12  # of a cost, or of seconds; infinity and NaN would spread through the sums that they enter
MAX_CALL = 2**53  # of a call id
MAX_REPLICAS = 1000  # of a stage; no machine runs more, and a mistyped number must not be tried
Amount = Annotated[float, msgspec.Meta(ge=0, le=MAX_AMOUNT)]
Seconds = Annotated[float, msgspec.Meta(ge=-MAX_AMOUNT, le=MAX_AMOUNT)]
CallId = Annotated[int, msgspec.Meta(ge=0, le=MAX_CALL)]


class MessagePart(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A part of a message."""


class BaseMessage(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=True, gc=False):
    """A message. The name of its class is its tag on the wire."""


class Meta(MessagePart, frozen=True):
    """What the broker may know of a payload; never its content.

    ``cost`` is seconds of audio or characters of text. ``start_s`` and ``end_s`` are its place in the recording.
    ``silence_s`` is the silence in an audio before its first audible sample.
    """

    kind: Literal["audio", "text"]
    cost: Amount
    start_s: float = 0.0
    end_s: float = 0.0
    language: str = ""
    sample_rate: int = 0
    notes: tuple[Note, ...] = ()
    silence_s: float = 0.0


class JobLease(MessagePart, frozen=True):
    """One job of a batch. ``deadline_s`` is the time that its request has left; None without a deadline."""

    job: int
    attempt: int
    meta: Meta
    deadline_s: float | None


class JobEnd(MessagePart, frozen=True):
    """The end of one job of a batch. ``error`` is empty when it went well; ``expired`` when it was not begun."""

    job: int
    attempt: int
    outputs: int
    service_s: Amount
    error: str = ""
    expired: bool = False


class Span(MessagePart, frozen=True):
    """The times of one job at one stage.

    ``start_s`` is when its lease began, counted from the request's arrival at the broker; ``queue_s`` is how long it
    waited before. ``service_s`` is how long its batch was computed up to its end; ``busy_s`` is its share of that time,
    so that the sum over jobs is the time that replicas computed. ``batch`` is the number of jobs in the batch.
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


class StageInfo(MessagePart, frozen=True):
    """What a client may know of a stage.

    ``replicas`` is the number that the supervisor wants, ``ready`` the number that take jobs, ``threads`` the CPU
    threads of each; ``queued`` and ``in_service`` count jobs.
    """

    name: str
    module: str
    replicas: int
    ready: int
    threads: int
    queued: int
    in_service: int


class StageLoad(MessagePart, frozen=True):
    """How much a stage has to do.

    ``busy_s`` is how long its replicas have held jobs, summed over the replicas since the broker started. ``wait_s``
    is how long the job at the head of its queue has waited.
    """

    stage: str
    ready: int
    busy_s: float
    wait_s: float
