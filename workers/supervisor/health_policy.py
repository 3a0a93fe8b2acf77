"""Decides from heartbeats whether a replica must be replaced.

Pure: the time is an argument, in monotonic seconds, and no process is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

from workers.config import StageConfig


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """The limits of one stage's replicas. Each method returns why a replica is past one, or an empty text.

    Args:
        load_timeout_s: longest time from a replica's start until it is ready.
        stuck_after_s: longest time that it may compute without an output.
        heartbeat_timeout_s: longest time between two heartbeats.
        memory_limit_mb: most resident memory, in MiB; None for no limit.
    """

    load_timeout_s: float
    stuck_after_s: float
    heartbeat_timeout_s: float
    memory_limit_mb: int | None = None

    @classmethod
    def of(cls, stage: StageConfig, heartbeat_timeout_s: float) -> HealthPolicy:
        """The limits that a stage's configuration sets."""
        return cls(stage.load_timeout_s, stage.stuck_after_s, heartbeat_timeout_s, stage.memory_limit_mb)

    def slow_to_load(self, started_at: float, now: float) -> str:
        """For a replica that is not ready yet."""
        load_s = now - started_at
        return f"not ready after {load_s:.0f} s" if load_s > self.load_timeout_s else ""

    def silent(self, heard_at: float, listening_since: float, now: float) -> str:
        """For a replica whose last heartbeat came at `heard_at`, while the broker listens since `listening_since`.

        Silence does not count while nobody listens: then `listening_since` is infinity.
        """
        silent_s = now - max(heard_at, listening_since)
        return f"no heartbeat for {silent_s:.0f} s" if silent_s > self.heartbeat_timeout_s else ""

    def stuck(self, busy_s: float) -> str:
        """For a replica that has computed for `busy_s` since its last output."""
        return f"computing for {busy_s:.0f} s without an output" if busy_s > self.stuck_after_s else ""

    def over_memory(self, rss_bytes: int) -> str:
        """For a replica with `rss_bytes` of resident memory."""
        limit_mb = self.memory_limit_mb
        if limit_mb is None or rss_bytes <= limit_mb * 2**20:
            return ""
        return f"{rss_bytes >> 20} MiB of memory where {limit_mb} MiB are allowed"
