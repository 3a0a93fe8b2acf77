"""A message whose handling raises does not end the broker's loop."""

from __future__ import annotations

from typing import Any

import pytest

from workers.broker.broker import INTERNAL_ERROR, Broker
from workers.broker.metrics import Metrics
from workers.scheduling.scheduler import Scheduler
from workers.scheduling.stage import StagePlan
from workers.wire import messages


class BrokerWithoutSockets(Broker):
    """A broker that keeps what it would send."""

    def __init__(self) -> None:
        self._metrics = Metrics(["speak"], [])
        self._scheduler = Scheduler([StagePlan("speak")], self, observer=self._metrics)
        self.sent: list[tuple[bytes, messages.ToClient]] = []

    def to_client(self, client: bytes, message: messages.ToClient, *frames: Any) -> None:
        self.sent.append((client, message))

    def internal_errors(self) -> float:
        (family,) = (each for each in self._metrics.families([], ()) if each.name == "relevo_internal_errors")
        return family.samples[0].value


@pytest.mark.parametrize("after", ["before it is admitted", "once it is open"])
def test_a_submit_that_cannot_be_handled_ends_as_failed_and_the_next_is_served(monkeypatch, after):
    broker = BrokerWithoutSockets()
    submit = broker._scheduler.submit

    def raises(client: bytes, message: messages.Submit, frame: Any, now: float) -> None:
        if after == "once it is open":
            submit(client, message, frame, now)
        raise ZeroDivisionError

    message = messages.Submit("a", messages.Meta("text", 1.0))
    monkeypatch.setattr(broker._scheduler, "submit", raises)
    broker._take_from_client(b"c", message, [b""])
    assert broker.sent == [(b"c", messages.Outcome("a", "failed", INTERNAL_ERROR, 0.0, ()))]
    assert broker.internal_errors() == 1
    assert broker._scheduler.open_requests == 0
    monkeypatch.undo()
    broker._take_from_client(b"c", message, [b""])
    assert broker._scheduler.open_requests == 1
    assert broker.internal_errors() == 1
