"""Where the scheduler's messages go."""

from __future__ import annotations

from typing import Any, Protocol

from workers.scheduling.stage_queue import Job
from workers.wire.messages import ToClient, ToReplica


class Outbox(Protocol):
    """What the scheduler needs of those around it."""

    def to_client(self, client: bytes, message: ToClient, *frames: Any) -> None:
        """Sends a message to the client that dialled in under this identity."""

    def to_replica(self, replica: str, message: ToReplica, *frames: Any) -> None:
        """Sends a message to a replica."""

    def dead_letter(self, job: Job, stage: str, reason: str, log_tail: str) -> None:
        """Keeps what is needed to look into a job that took its replicas down, and to try it again."""
