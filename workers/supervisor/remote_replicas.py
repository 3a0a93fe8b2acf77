"""Replicas that the supervisor did not start: they dial in from another container or environment.

Their processes are out of reach, so all that is known of them is what they say, and when they last said it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workers.supervisor.slot import SlotView
from workers.wire import messages


@dataclass(eq=False, slots=True)
class _Remote:
    """One of them. `told` once the broker was told that it is stuck. Times are monotonic seconds."""

    status: messages.ReplicaStatus
    seen_at: float
    told: bool = False


class RemoteReplicas:
    """What the remote replicas last said. Pure: the time is an argument."""

    def __init__(self, stuck_after_s: Mapping[str, float]) -> None:
        """Takes the time after which a replica of each stage that computes without an output is stuck."""
        self._stuck_after_s = stuck_after_s
        self._remotes: dict[str, _Remote] = {}

    def note(self, status: messages.ReplicaStatus, now: float) -> None:
        """Takes in a sign of life, or a farewell."""
        if status.state == "dead":
            self._remotes.pop(status.replica, None)
            return
        remote = self._remotes.setdefault(status.replica, _Remote(status, now))
        remote.status, remote.seen_at = status, now
        remote.told = remote.told and self._is_stuck(status)

    def lost(self, now: float, heartbeat_timeout_s: float) -> list[messages.ReplicaGone]:
        """Those that are to be taken for gone since the last look: the silent and the stuck.

        One that speaks again, or computes on, is welcome again; what it was handed before is no longer its own.
        """
        lost = []
        for name, remote in list(self._remotes.items()):
            silent_s = now - remote.seen_at
            if silent_s > heartbeat_timeout_s:
                del self._remotes[name]
                lost.append(messages.ReplicaGone(name, f"no sign of life for {silent_s:.0f} s"))
            elif not remote.told and self._is_stuck(remote.status):
                remote.told = True
                lost.append(
                    messages.ReplicaGone(name, f"stuck: computing for {remote.status.busy_s:.0f} s without an output")
                )
        return lost

    def serving_stages(self) -> set[str]:
        """The stages that have a warm one."""
        return {
            remote.status.stage
            for remote in self._remotes.values()
            if remote.status.state in ("ready", "busy") and not remote.told
        }

    def views(self) -> list[SlotView]:
        """What others may know."""
        return [
            SlotView(said.stage, said.replica, None, said.state, said.rss_bytes, 1)
            for said in (remote.status for remote in self._remotes.values())
        ]

    def _is_stuck(self, status: messages.ReplicaStatus) -> bool:
        return status.busy_s > self._stuck_after_s[status.stage]
