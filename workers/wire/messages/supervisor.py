"""Messages between the supervisor and the broker."""

from __future__ import annotations

from workers.wire.messages.records import BaseMessage, CallId, ReplicaState, RestartCause, StageLoad

# from the supervisor


class Attach(BaseMessage, frozen=True):
    """The supervisor connects, with the number of replicas that it wants for each stage; answered by BrokerReady."""

    desired: dict[str, int]


class DesiredReplicas(BaseMessage, frozen=True):
    """The supervisor wants another number of replicas for some stage; all stages are named."""

    replicas: dict[str, int]


class ReplicaGone(BaseMessage, frozen=True):
    """A replica's process has ended or is taken for dead; its jobs are tried again. ``log_tail`` ends its log."""

    replica: str
    cause: str
    log_tail: str = ""


class ReplicaRestarting(BaseMessage, frozen=True):
    """A replica of the stage ended and is replaced."""

    stage: str
    cause: RestartCause


class StageDown(BaseMessage, frozen=True):
    """The supervisor gave a stage up: requests that need it fail with the reason."""

    stage: str
    reason: str


class StageUp(BaseMessage, frozen=True):
    """A stage that was given up is tried again, or serves again: requests for it are admitted."""

    stage: str


class DrainReplica(BaseMessage, frozen=True):
    """Asks the broker to lease nothing more to the replica, and to send it Drain."""

    replica: str


class DrainRelay(BaseMessage, frozen=True):
    """Stops admission. Answered by RelayDrained once the open requests have ended; those left after ``within_s`` are
    cancelled.
    """

    within_s: float


class GetLoads(BaseMessage, frozen=True):
    """Asks for StageLoads."""


class ForwardedScaleReply(BaseMessage, frozen=True):
    """The answer to ForwardedScale, with the number of replicas that is now wanted for each stage."""

    client: bytes
    call: CallId
    error: str
    desired: dict[str, int]


# to the supervisor


class BrokerReady(BaseMessage, frozen=True):
    """The answer to Attach: the broker listens.

    ``clients`` and ``replicas`` are the addresses to connect to. ``metrics`` is the ``host:port`` that serves metrics,
    or empty.
    """

    instance: str
    clients: str
    replicas: str
    metrics: str


class ReplicaStatus(BaseMessage, frozen=True):
    """The state of a replica, passed on from its latest message. ``reason`` and ``fatal`` are those of Leave."""

    replica: str
    stage: str
    state: ReplicaState
    busy_s: float = 0.0
    rss_bytes: int = 0
    reason: str = ""
    fatal: bool = False


class StageLoads(BaseMessage, frozen=True):
    """The answer to GetLoads."""

    loads: tuple[StageLoad, ...]


class ForwardedScale(BaseMessage, frozen=True):
    """A client's Scale. ``client`` is the identity of its connection; answered by ForwardedScaleReply."""

    client: bytes
    call: CallId
    stage: str
    replicas: int


class BrokerHeartbeat(BaseMessage, frozen=True):
    """The broker's loop runs. The supervisor restarts a broker that is silent."""


class DeathsExplained(BaseMessage, frozen=True):
    """One request explains why these replicas died: their deaths do not count against their stage."""

    replicas: tuple[str, ...]


class RelayDrained(BaseMessage, frozen=True):
    """Every open request has ended after DrainRelay."""
