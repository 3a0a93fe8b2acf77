"""The door of the relay: which requests are turned away, and why."""

from __future__ import annotations

from collections.abc import Sequence

from workers.scheduling.stage import Stage, expected_wait_s
from workers.wire.messages import OutcomeName, Submit

SHORTEST_WAIT_S = 0.05  # what a rejected client is told while nothing has been measured yet
CLOSING = "the relay is closing"


def refusal(
    stages: Sequence[Stage], message: Submit, closing: bool, known: bool
) -> tuple[OutcomeName, str, float] | None:
    """Outcome, reason and the wait to expect in seconds (0 when waiting would not help), or None to accept.

    One that is `known` was accepted before, and finds the door open and room behind it.
    """
    by_name = {stage.plan.name: stage for stage in stages}
    entry = by_name.get(message.stage) if message.stage else stages[0]
    if entry is None:
        return "failed", f"there is no stage {message.stage!r}; enter at one of {', '.join(by_name)}", 0.0
    if message.meta.kind != entry.plan.accepts:
        return "failed", f"{entry.plan.name} takes {entry.plan.accepts}, not {message.meta.kind}", 0.0
    if message.deadline_s is not None and message.deadline_s <= 0:
        return "expired", "its deadline had passed when it arrived", 0.0
    if down := next((stage.down for stage in stages if stage.down), ""):
        return "rejected", down, 0.0
    if known:
        return None
    if closing:
        return "rejected", CLOSING, 0.0
    if not entry.has_room():
        reason = f"the queue of {entry.plan.name} is full ({len(entry.queue)} waiting)"
        return "rejected", reason, max(SHORTEST_WAIT_S, expected_wait_s(stages))
    return None
