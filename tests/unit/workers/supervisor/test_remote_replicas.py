from __future__ import annotations

import pytest

from workers.supervisor.health_policy import HealthPolicy
from workers.supervisor.remote_replicas import RemoteReplicas
from workers.wire import messages

TIMEOUT_S = 15.0


def standing(state="ready", busy_s=0.0):
    return messages.ReplicaStatus("speak@there", "speak", state, busy_s, 100)


@pytest.fixture
def remotes():
    return RemoteReplicas({"speak": HealthPolicy(300.0, 60.0, TIMEOUT_S)})


def gone(remotes, now):
    return [(lost.replica, lost.cause) for lost in remotes.newly_lost(0.0, now)]


@pytest.mark.parametrize(
    ("state", "serves"), [("loading", False), ("warming", False), ("ready", True), ("busy", True), ("draining", False)]
)
def test_a_stage_is_served_by_a_warm_one(remotes, state, serves):
    remotes.update(standing(state), 0.0)
    assert remotes.serving() == ({"speak"} if serves else set())


def test_a_silent_one_is_lost_once_and_comes_back_when_it_speaks(remotes):
    remotes.update(standing(), 0.0)
    assert gone(remotes, TIMEOUT_S) == []
    assert gone(remotes, TIMEOUT_S + 1) == [("speak@there", "no heartbeat for 16 s")]
    assert gone(remotes, TIMEOUT_S + 2) == []
    assert remotes.serving() == set()
    remotes.update(standing(), TIMEOUT_S + 3)
    assert remotes.serving() == {"speak"}


def test_a_stuck_one_is_lost_once_and_comes_back_when_it_is_done(remotes):
    remotes.update(standing("busy", 61.0), 0.0)
    assert gone(remotes, 1.0) == [("speak@there", "stuck: computing for 61 s without an output")]
    remotes.update(standing("busy", 62.0), 1.0)
    assert gone(remotes, 2.0) == []
    assert remotes.serving() == set()
    remotes.update(standing(), 3.0)
    assert remotes.serving() == {"speak"}
    remotes.update(standing("busy", 61.0), 4.0)
    assert len(gone(remotes, 5.0)) == 1


def test_one_that_left_is_not_missed(remotes):
    remotes.update(standing(), 0.0)
    remotes.update(standing("dead"), 1.0)
    assert gone(remotes, 100.0) == []
    assert remotes.views() == []


def test_it_is_seen_without_a_process_id(remotes):
    remotes.update(standing(), 0.0)
    (view,) = remotes.views()
    assert (view.stage, view.name, view.pid, view.state) == ("speak", "speak@there", None, "ready")
