"""Bounds the bytes of all payloads that the broker holds, and shares them among the clients."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from workers.scheduling.request import Request

ASKED_FOR_S = 10.0  # how long a client that was refused counts as one that waits for room
MIB = 1 << 20


class MemoryBudget:
    """Counts the payloads of jobs that have not ended, and the outputs that wait for their order.

    A client may use all of it as long as no other asks. While another waits for room, it may use its share: an equal
    part for each client that holds something or waits. A client that holds nothing is bound by the whole only, so that
    one payload that exceeds a share still passes. Without a limit nothing is counted, and payloads need no length.
    """

    def __init__(self, limit_bytes: float = math.inf) -> None:
        """Starts empty."""
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        self._by_client: defaultdict[bytes, int] = defaultdict(int)  # without the clients that hold nothing
        self._asked_at: dict[bytes, float] = {}  # the clients that were refused, and when

    def hold(self, request: Request, payload: Any) -> None:
        """Counts a payload for the client of its request."""
        if self.limit_bytes < math.inf:
            self._add(request, len(payload))

    def release(self, request: Request, payload: Any) -> None:
        """Counts a payload no more."""
        if self.limit_bytes < math.inf:
            self._add(request, -len(payload))

    def release_all(self, request: Request) -> None:
        """Counts nothing of a request any more."""
        self._add(request, -request.held_bytes)

    def _add(self, request: Request, size: int) -> None:
        request.held_bytes += size
        self.held_bytes += size
        self._by_client[request.client] += size
        if not self._by_client[request.client]:
            del self._by_client[request.client]

    def fits(self, payload: Any) -> bool:
        """Whether the payload could ever be admitted."""
        return self.limit_bytes == math.inf or len(payload) <= self.limit_bytes

    def admits(self, client: bytes, payload: Any, now: float) -> bool:
        """Whether there is room for a client's payload now; one that is refused counts as waiting for a while."""
        if self.limit_bytes == math.inf:
            return True
        self._asked_at = {each: at for each, at in self._asked_at.items() if at > now - ASKED_FOR_S}
        held = self._by_client.get(client, 0)
        others_wait = self._asked_at.keys() - {client}
        share = self.limit_bytes / len({client, *self._by_client, *self._asked_at})
        within_share = not held or not others_wait or held + len(payload) <= share
        if within_share and self.held_bytes + len(payload) <= self.limit_bytes:
            self._asked_at.pop(client, None)
            return True
        self._asked_at[client] = now
        return False
