"""A message whose handling raises does not end the broker's loop, and the supervisor hears that the loop runs."""

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
        self._heartbeat_at = 0.0
        self.sent: list[tuple[bytes, messages.ToClient]] = []
        self.told: list[messages.ToSupervisor] = []

    def to_client(self, client: bytes, message: messages.ToClient, *frames: Any) -> None:
        self.sent.append((client, message))

    def _to_supervisor(self, message: messages.ToSupervisor) -> None:
        self.told.append(message)

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


def test_the_supervisor_is_sent_a_heartbeat_every_second():
    broker = BrokerWithoutSockets()
    for now in (100.0, 100.5, 101.0, 101.9, 102.0):
        broker._send_heartbeat(now)
    assert broker.told == [messages.BrokerHeartbeat()] * 3


def test_a_stage_is_served_again_once_the_supervisor_says_so():
    broker = BrokerWithoutSockets()
    blockers = []
    for message in (messages.StageDown("speak", "no memory"), messages.StageUp("speak")):
        broker._from_supervisor(b"s", message, [])
        blockers.append(broker._scheduler.blockers()["speak"])
    assert blockers == ["stage speak is down: no memory", "no replica is warm"]


def test_explained_deaths_are_passed_on():
    broker = BrokerWithoutSockets()
    broker.deaths_explained(("speak-0", "speak-1"))
    assert broker.told == [messages.DeathsExplained(("speak-0", "speak-1"))]
