"""Where the scheduler's messages go."""

from __future__ import annotations

from typing import Any, Protocol

from workers.scheduling.request import Job
from workers.wire.messages import ToClient, ToReplica


class Delivery(Protocol):
    """Carries the scheduler's messages to clients and replicas, and keeps its dead letters."""

    def to_client(self, client: bytes, message: ToClient, *frames: Any) -> None:
        """Sends a message with its payload frames to the client that is connected under this identity."""

    def to_replica(self, replica: str, message: ToReplica, *frames: Any) -> None:
        """Sends a message with its payload frames to a replica."""

    def dead_letter(self, job: Job, stage: str, reason: str, log_tail: str) -> None:
        """Keeps a job that failed `max_attempts` times, with all that is needed to examine it and to try it again."""

    def deaths_explained(self, replicas: tuple[str, ...]) -> None:
        """Tells the supervisor that one request explains why these replicas died. It may name a replica twice."""
