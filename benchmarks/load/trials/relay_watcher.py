"""Watches a relay while it is loaded: replicas and queues of every stage, twice a second."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from benchmarks.common.background import Background
from benchmarks.load.figures.trial_record import RelayState, StageState
from errors import RelayClosed
from workers.client.client import Client
from workers.wire.messages import StageInfo

LOOK_S = 0.5


class RelayWatcher(Background):
    """Looks at a relay while its `with` block runs, and keeps its states in `relay_states`.

    Their times are of the system's monotonic clock.
    """

    def __init__(self, client: Client, starts: Callable[[], dict[str, int]]) -> None:
        """Prepares; nothing is asked yet.

        Args:
            client: of the relay.
            starts: tells how many replicas each stage has started so far; {} when that is not known.
        """
        super().__init__(LOOK_S)
        self.relay_states: list[RelayState] = []
        self._client, self._starts = client, starts

    def tick(self) -> None:
        """Reads the relay's state once."""
        with contextlib.suppress(RelayClosed):  # the broker is busy or restarts: this state is missing
            stages = self._client.status(timeout_s=LOOK_S).stages
            self.relay_states.append(_relay_state(stages, self._starts()))


def _relay_state(stages: tuple[StageInfo, ...], starts: dict[str, int]) -> RelayState:
    states = {
        stage.name: StageState(stage.replicas, stage.ready, stage.queued, stage.in_service, starts.get(stage.name))
        for stage in stages
    }
    return RelayState(time.monotonic(), states)
