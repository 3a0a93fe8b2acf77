"""Decides from the broker's messages whether it listens, and whether it must be replaced.

Pure: the time is an argument, in monotonic seconds. The broker sends a heartbeat every second.
"""

from __future__ import annotations

import math

PAUSED_AFTER_S = 3.0  # of silence, a few heartbeats: from then on nobody is known to listen to the replicas


class BrokerWatchdog:
    """Watches one broker after another: `began` when one listens, `ended` when it is gone."""

    def __init__(self, timeout_s: float) -> None:
        """Takes the silence, in seconds, after which a broker is taken for frozen."""
        self._timeout_s = timeout_s
        self.ended()

    def began(self, now: float) -> None:
        """Takes in that a broker began to listen."""
        self._heard_at = self._listening_since = now

    def ended(self) -> None:
        """Takes in that there is no broker."""
        self._heard_at = self._listening_since = math.inf

    def heard(self, now: float) -> None:
        """Takes in a message of the broker."""
        if self._heard_at == math.inf:
            return
        if now - self._heard_at > PAUSED_AFTER_S:
            self._listening_since = now
        self._heard_at = now

    def listening_since(self, now: float) -> float:
        """Returns since when the broker is known to listen; infinity while that is not known."""
        return math.inf if now - self._heard_at > PAUSED_AFTER_S else self._listening_since

    def silent(self, now: float) -> str:
        """Returns why the broker must be replaced, or an empty text."""
        silent_s = now - self._heard_at
        return f"no heartbeat for {silent_s:.0f} s" if silent_s > self._timeout_s else ""
