"""Messages between a client and the broker."""

from __future__ import annotations

from typing import Literal

from workers.wire.messages.records import (
    BaseMessage,
    CallId,
    JobPath,
    Meta,
    OutcomeName,
    Priority,
    Seconds,
    Span,
    StageInfo,
)

# from the client


class GetStatus(BaseMessage, frozen=True):
    """Asks for RelayStatus: after connecting, and whenever a caller wants to know."""

    call: CallId


class Submit(BaseMessage, frozen=True):
    """Submits one request; its payload is the one frame that follows.

    The same id again over the same connection changes nothing. ``deadline_s`` is the time that the request has left.
    ``progress`` asks for JobStarted, and for texts as soon as they are there. ``stage`` names the stage to enter the
    relay at; empty for the first.
    """

    request: str
    meta: Meta
    deadline_s: Seconds | None = None
    priority: Priority = "interactive"
    progress: bool = False
    stage: str = ""


class Cancel(BaseMessage, frozen=True):
    """Ends a request as cancelled; answered by its Outcome."""

    request: str


class Scale(BaseMessage, frozen=True):
    """Asks for another number of replicas of a stage; answered by ScaleReply."""

    call: CallId
    stage: str
    replicas: int


# to the client


class RelayStatus(BaseMessage, frozen=True):
    """The answer to GetStatus.

    ``instance`` names the broker's process: another one means that it restarted and knows no earlier request.
    ``accepts`` is the kind of payload that the first stage takes. ``refused`` counts the messages and connections that
    this broker has refused.
    """

    call: CallId
    instance: str
    ready: bool
    accepts: Literal["audio", "text"]
    stages: tuple[StageInfo, ...]
    refused: int


class ScaleReply(BaseMessage, frozen=True):
    """The answer to Scale. ``error`` says why it was refused; empty when it was accepted."""

    call: CallId
    error: str


class JobStarted(BaseMessage, frozen=True):
    """A job of the request was leased to a replica. Sent only if the request asked for progress."""

    request: str
    stage: str
    path: JobPath


class RequestOutput(BaseMessage, frozen=True):
    """One output of a stage for the request; its payload is the one frame that follows.

    The outputs of a stage come in path order.
    """

    request: str
    stage: str
    path: JobPath
    meta: Meta


class Spans(BaseMessage, frozen=True):
    """The first spans of a request that has more than fit into its Outcome; directly before it, in any number."""

    request: str
    spans: tuple[Span, ...]


class Outcome(BaseMessage, frozen=True):
    """How the request ended; its last message. ``retry_after_s`` is the wait to expect after a rejection.

    ``spans`` are the last ones, after those of the Spans before it.
    """

    request: str
    outcome: OutcomeName
    reason: str
    retry_after_s: float
    spans: tuple[Span, ...]
