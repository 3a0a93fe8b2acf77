"""When the broker is known to listen and when it is replaced, on a clock of the test's own."""

from __future__ import annotations

import math

from workers.supervisor.broker_watchdog import BrokerWatchdog


def watchdog() -> BrokerWatchdog:
    made = BrokerWatchdog(10.0)
    made.began(100.0)
    return made


def test_a_broker_that_sends_heartbeats_listens_and_stays():
    watched = watchdog()
    for second in range(101, 200):
        watched.heard(second)
        assert watched.listening_since(second) == 100.0
        assert watched.silent(second) == ""


def test_a_silent_broker_is_not_known_to_listen_and_then_is_replaced():
    watched = watchdog()
    assert watched.listening_since(103.0) == 100.0
    assert watched.listening_since(103.1) == math.inf
    assert watched.silent(110.0) == ""
    assert watched.silent(110.1) == "no heartbeat for 10 s"


def test_a_broker_that_was_silent_for_a_while_listens_anew():
    watched = watchdog()
    watched.heard(108.0)
    assert watched.listening_since(108.0) == 108.0
    assert watched.silent(117.0) == ""


def test_nothing_is_expected_of_a_broker_that_is_not_there():
    watched = watchdog()
    watched.ended()
    watched.heard(500.0)  # a message of the one that has ended
    assert watched.listening_since(1000.0) == math.inf
    assert watched.silent(1000.0) == ""
