"""The payloads that the broker holds are bounded, and shared among the clients."""

from __future__ import annotations

from typing import Any

import pytest

from workers.scheduling.memory_budget import ASKED_FOR_S, MIB
from workers.scheduling.scheduler import Scheduler
from workers.scheduling.stage import StagePlan
from workers.wire import messages

TEXT = messages.Meta("text", 1.0)


class TwoStages:
    """A relay of two stages with 10 MiB for payloads. A request is named after its client."""

    def __init__(self) -> None:
        plans = [StagePlan(name, queue_items=1000) for name in ("translate", "speak")]
        self.scheduler = Scheduler(plans, self, memory_bytes=10 * MIB)
        self.outcomes: dict[str, messages.Outcome] = {}
        self.leases: dict[str, messages.BatchLease] = {}
        self.submitted = 0

    def to_client(self, client: bytes, message: messages.ToClient, *frames: Any) -> None:
        if isinstance(message, messages.Outcome):
            self.outcomes[message.request] = message

    def to_replica(self, replica: str, message: messages.ToReplica, *frames: Any) -> None:
        if isinstance(message, messages.BatchLease):
            self.leases[replica] = message

    def dead_letter(self, *_: Any) -> None:
        pass

    def deaths_explained(self, *_: Any) -> None:
        pass

    @property
    def held_mib(self) -> float:
        return self.scheduler._memory.held_bytes / MIB

    def submit(self, client: str, mib: float, now: float = 0.0) -> str:
        """Returns its outcome, or "" while it is open."""
        self.submitted += 1
        request = f"{client}{self.submitted}"
        self.scheduler.submit(client.encode(), messages.Submit(request, TEXT), bytes(int(mib * MIB)), now)
        return self.outcomes[request].outcome if request in self.outcomes else ""

    def cancel(self, request: str) -> None:
        self.scheduler.cancel(request[0].encode(), request, 0.0)


def test_one_client_alone_may_use_all_of_it_and_no_more():
    relay = TwoStages()
    assert [relay.submit("a", 2.5) for _ in range(5)] == ["", "", "", "", "rejected"]
    assert relay.outcomes["a5"].retry_after_s > 0
    assert "10.0 MiB of memory_mb: 10" in relay.outcomes["a5"].reason
    relay.cancel("a2")
    assert relay.submit("a", 2.5) == ""


def test_a_payload_that_never_fits_fails():
    relay = TwoStages()
    assert relay.submit("a", 11) == "failed"
    assert "set memory_mb: higher" in relay.outcomes["a1"].reason


def test_a_client_that_holds_more_than_its_share_makes_room_for_one_that_waits():
    relay = TwoStages()
    assert [relay.submit("a", 2.5) for _ in range(4)] == [""] * 4
    assert relay.submit("b", 2.5) == "rejected"
    relay.cancel("a1")
    assert relay.submit("a", 2.5) == "rejected"  # its share is 5 MiB, and it holds 7.5
    assert relay.submit("b", 2.5) == ""
    relay.cancel("a2")
    assert relay.submit("a", 2.5, now=ASKED_FOR_S) == ""  # nobody waits any more


def test_a_payload_over_the_share_passes_once_its_client_holds_nothing():
    relay = TwoStages()
    assert relay.submit("a", 8) == ""
    assert relay.submit("b", 8) == "rejected"
    relay.cancel("a1")
    assert relay.submit("b", 8) == ""


@pytest.mark.parametrize("end", ["ok", "failed", "cancelled", "dead_letter"])
def test_nothing_is_held_once_every_request_has_ended(end):
    relay = TwoStages()
    relay.submit("a", 4)
    relay.scheduler.replica_ready("translate-0", "translate", 0.0)
    job = relay.leases["translate-0"].jobs[0].job
    relay.scheduler.output(messages.Output("translate-0", job, 1, 0, TEXT), bytes(MIB), 0.0)
    assert relay.held_mib == 6  # the output waits as a job, and as a text for the client
    ended = messages.JobEnd(job, 1, 1, 0.1, "bad" if end == "failed" else "")
    if end == "dead_letter":
        relay.scheduler.replica_gone("translate-0", "killed", 0.0)
        for number in range(1, 3):
            relay.scheduler.replica_ready(f"translate-{number}", "translate", 0.0)
            relay.scheduler.replica_gone(f"translate-{number}", "killed", 0.0)
    elif end == "cancelled":
        relay.cancel("a1")
    else:
        relay.scheduler.batch_ended(messages.BatchEnd("translate-0", 0.1, (ended,)), 0.0)
    if end == "ok":
        assert relay.held_mib == 2
        relay.scheduler.replica_ready("speak-0", "speak", 0.0)
        spoken = messages.JobEnd(relay.leases["speak-0"].jobs[0].job, 1, 0, 0.1)
        relay.scheduler.batch_ended(messages.BatchEnd("speak-0", 0.1, (spoken,)), 0.0)
    assert relay.outcomes["a1"].outcome == end
    assert relay.held_mib == 0
    assert relay.scheduler._memory._by_client == {}


def test_a_request_that_begins_again_over_another_connection_is_counted_once():
    relay = TwoStages()
    relay.submit("a", 8)
    relay.scheduler.submit(b"b", messages.Submit("a1", TEXT), bytes(8 * MIB), 0.0)
    assert relay.outcomes == {}
    assert relay.held_mib == 8
