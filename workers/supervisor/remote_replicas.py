"""Replicas that the supervisor did not start: they connect from another container or environment.

Their processes are out of reach, so only what they say of themselves, and when, is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workers.supervisor.health_policy import HealthPolicy
from workers.supervisor.replica_view import ReplicaView
from workers.wire import messages


@dataclass(eq=False, slots=True)
class _RemoteReplica:
    """The last status of one, and when it came. `lost` once it was reported as gone because it is stuck."""

    status: messages.ReplicaStatus
    heard_at: float
    lost: bool = False


class RemoteReplicas:
    """The remote replicas by name. Pure: the time is an argument, in monotonic seconds."""

    def __init__(self, health: Mapping[str, HealthPolicy]) -> None:
        """Takes the limits of each stage."""
        self._health = health
        self._replicas: dict[str, _RemoteReplica] = {}

    def update(self, status: messages.ReplicaStatus, now: float) -> None:
        """Takes in what a remote replica said; with the state ``dead`` it has left."""
        if status.state == "dead":
            self._replicas.pop(status.replica, None)
            return
        replica = self._replicas.setdefault(status.replica, _RemoteReplica(status, now))
        replica.status, replica.heard_at = status, now
        replica.lost = replica.lost and bool(self._health[status.stage].stuck(status.busy_s))

    def newly_lost(self, listening_since: float, now: float) -> list[messages.ReplicaGone]:
        """Those found silent or stuck since the last call; the broker listens since `listening_since`.

        A lost replica that speaks again, or finishes its output, is taken back. What it was handed before is no
        longer its own.
        """
        lost = []
        for name, replica in list(self._replicas.items()):
            health = self._health[replica.status.stage]
            if silent := health.silent(replica.heard_at, listening_since, now):
                del self._replicas[name]
                lost.append(messages.ReplicaGone(name, silent))
            elif not replica.lost and (stuck := health.stuck(replica.status.busy_s)):
                replica.lost = True
                lost.append(messages.ReplicaGone(name, f"stuck: {stuck}"))
        return lost

    def serving(self) -> set[str]:
        """The stages that have a warm one."""
        return {
            replica.status.stage
            for replica in self._replicas.values()
            if replica.status.state in ("ready", "busy") and not replica.lost
        }

    def views(self) -> list[ReplicaView]:
        """The public state of each, without a process id."""
        return [
            ReplicaView(status.stage, status.replica, None, status.state, status.rss_bytes, 1)
            for status in (replica.status for replica in self._replicas.values())
        ]
