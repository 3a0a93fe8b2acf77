"""How the relay stands while it is loaded: replicas and queues of every stage, looked at twice a second."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import msgspec

from benchmarks.common.background import Background
from errors import RelayClosed
from workers.client.client import Client
from workers.wire.messages import StageInfo

LOOK_S = 0.5


class StageStanding(msgspec.Struct, frozen=True):
    """One stage at one moment. `starts` counts the replicas started there so far; None when the relay is not ours."""

    replicas: int
    ready: int
    queued: int
    in_service: int
    starts: int | None = None


class Standing(msgspec.Struct, frozen=True):
    """All stages at one moment, in seconds of the system's monotonic clock or of a trial."""

    at_s: float
    stages: dict[str, StageStanding]


class Watch(Background):
    """Looks at a relay while its `with` block runs; `standings` is what it saw."""

    def __init__(self, client: Client, starts: Callable[[], dict[str, int]]) -> None:
        """Prepares.

        Args:
            client: of the relay.
            starts: how many replicas each stage has started so far, or {} when that is not known.
        """
        super().__init__(LOOK_S)
        self.standings: list[Standing] = []
        self._client, self._starts = client, starts

    def look(self) -> None:
        """Looks once."""
        with contextlib.suppress(RelayClosed):  # the broker is busy or restarts: this look is missing
            stages = self._client.status(timeout_s=LOOK_S).stages
            self.standings.append(_standing(stages, self._starts()))


def _standing(stages: tuple[StageInfo, ...], starts: dict[str, int]) -> Standing:
    return Standing(
        time.monotonic(),
        {
            stage.name: StageStanding(
                stage.replicas, stage.ready, stage.queued, stage.in_service, starts.get(stage.name)
            )
            for stage in stages
        },
    )
