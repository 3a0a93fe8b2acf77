"""What the supervisor tells the broker's process."""

from __future__ import annotations

import msgspec

from workers.scheduling.stage import StagePlan


class BrokerSettings(msgspec.Struct, frozen=True):
    """The settings of a broker, which it reads from a MessagePack file.

    ``clients``, ``replicas`` and ``control`` are addresses to listen on. ``specs`` holds what the replicas of each
    stage load, as JSON. ``memory_mb`` bounds the payloads that it holds, in MiB. ``metrics`` is ``host:port``, or None
    to serve no metrics.
    """

    clients: str
    replicas: str
    control: str
    max_attempts: int
    memory_mb: int
    stages: list[StagePlan]
    specs: dict[str, bytes]
    dead_letters: str
    keys: str | None
    metrics: str | None
    objectives_s: tuple[float, ...]
    spans: bool
