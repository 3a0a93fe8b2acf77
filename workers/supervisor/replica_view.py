"""The public state of a replica."""

from __future__ import annotations

from dataclasses import dataclass

from workers.wire import messages


@dataclass(frozen=True, slots=True)
class ReplicaView:
    """A replica as it is now.

    Args:
        stage: the stage that it serves.
        name: its name; a replica that takes its place has another one.
        pid: its process id; None if it runs elsewhere or has no process.
        state: what it does.
        rss_bytes: its resident memory.
        starts: how many replicas were started in its place, itself included.
    """

    stage: str
    name: str
    pid: int | None
    state: messages.ReplicaState
    rss_bytes: int
    starts: int
