"""The messages that clients, replicas and the supervisor exchange with the broker, one file a peer.

`records` has the parts that several of them share. `workers.wire.codec` encodes and decodes them; docs/protocol.md says
who sends what in which order. Times are durations in seconds, because hosts share no clock.
"""

from workers.wire.messages.client import (
    Cancel,
    GetStatus,
    JobStarted,
    Outcome,
    RelayStatus,
    RequestOutput,
    Scale,
    ScaleReply,
    Spans,
    Submit,
)
from workers.wire.messages.records import (
    Buffer,
    JobEnd,
    JobLease,
    JobPath,
    Meta,
    OutcomeName,
    Priority,
    ReplicaState,
    RestartCause,
    Span,
    StageInfo,
    StageLoad,
)
from workers.wire.messages.replica import (
    AbandonJob,
    BatchEnd,
    BatchLease,
    Drain,
    Heartbeat,
    Join,
    Leave,
    Output,
    Ready,
    Refused,
    Resync,
    StageSpec,
)
from workers.wire.messages.supervisor import (
    Attach,
    BrokerHeartbeat,
    BrokerReady,
    DeathsExplained,
    DesiredReplicas,
    DrainRelay,
    DrainReplica,
    ForwardedScale,
    ForwardedScaleReply,
    GetLoads,
    RelayDrained,
    ReplicaGone,
    ReplicaRestarting,
    ReplicaStatus,
    StageDown,
    StageLoads,
    StageUp,
)

__all__ = [
    "AbandonJob",
    "Attach",
    "BatchEnd",
    "BatchLease",
    "BrokerHeartbeat",
    "BrokerReady",
    "Buffer",
    "Cancel",
    "DeathsExplained",
    "DesiredReplicas",
    "Drain",
    "DrainRelay",
    "DrainReplica",
    "ForwardedScale",
    "ForwardedScaleReply",
    "FromClient",
    "FromReplica",
    "FromSupervisor",
    "GetLoads",
    "GetStatus",
    "Heartbeat",
    "JobEnd",
    "JobLease",
    "JobPath",
    "JobStarted",
    "Join",
    "Leave",
    "Message",
    "Meta",
    "Outcome",
    "OutcomeName",
    "Output",
    "Priority",
    "Ready",
    "Refused",
    "RelayDrained",
    "RelayStatus",
    "ReplicaGone",
    "ReplicaRestarting",
    "ReplicaState",
    "ReplicaStatus",
    "RequestOutput",
    "RestartCause",
    "Resync",
    "Scale",
    "ScaleReply",
    "Span",
    "Spans",
    "StageDown",
    "StageInfo",
    "StageLoad",
    "StageLoads",
    "StageSpec",
    "StageUp",
    "Submit",
    "ToClient",
    "ToReplica",
    "ToSupervisor",
]

FromClient = GetStatus | Submit | Cancel | Scale
ToClient = RelayStatus | ScaleReply | JobStarted | RequestOutput | Spans | Outcome
FromReplica = Join | Ready | Output | BatchEnd | Heartbeat | Leave
ToReplica = StageSpec | Refused | BatchLease | AbandonJob | Resync | Drain
FromSupervisor = (
    Attach
    | DesiredReplicas
    | ReplicaGone
    | ReplicaRestarting
    | StageDown
    | StageUp
    | DrainReplica
    | DrainRelay
    | GetLoads
    | ForwardedScaleReply
)
ToSupervisor = (
    BrokerReady | BrokerHeartbeat | DeathsExplained | ReplicaStatus | StageLoads | ForwardedScale | RelayDrained
)
Message = FromClient | ToClient | FromReplica | ToReplica | FromSupervisor | ToSupervisor
