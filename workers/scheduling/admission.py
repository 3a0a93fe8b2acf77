"""Which requests are refused when they arrive, and why."""

from __future__ import annotations

from typing import NamedTuple

from workers.scheduling.stage import expected_wait_s
from workers.scheduling.stage_table import StageTable
from workers.wire.messages import OutcomeName, Submit

MIN_RETRY_AFTER_S = 0.05  # the wait that a rejected client is told before any job was measured
STAGE_DOWN_RETRY_AFTER_S = 10.0  # the wait while a stage is given up; when it is tried again, only the supervisor knows
CLOSING = "the relay is closing"


class NotAdmitted(NamedTuple):
    """Why a request ends as it arrives. `retry_after_s` is the wait to expect; 0 where waiting would not help."""

    outcome: OutcomeName
    reason: str
    retry_after_s: float = 0.0


def check_admission(stages: StageTable, message: Submit, closing: bool, known: bool) -> NotAdmitted | None:
    """Decides on a request; None admits it.

    Args:
        stages: the relay's stages.
        message: the request.
        closing: whether the relay accepts no further requests.
        known: whether the request was admitted before; then neither a full queue nor a closing relay refuses it.
    """
    entry = stages.find(message.stage) if message.stage else stages.in_order[0]
    if entry is None:
        names = ", ".join(stage.plan.name for stage in stages.in_order)
        return NotAdmitted("failed", f"there is no stage {message.stage!r}; enter at one of {names}")
    if message.meta.kind != entry.plan.accepts:
        return NotAdmitted("failed", f"{entry.plan.name} takes {entry.plan.accepts}, not {message.meta.kind}")
    if message.deadline_s is not None and message.deadline_s <= 0:
        return NotAdmitted("expired", "its deadline had passed when it arrived")
    if down := next((stage.down for stage in stages.in_order if stage.down), ""):
        return NotAdmitted("rejected", down, STAGE_DOWN_RETRY_AFTER_S)
    if known:
        return None
    if closing:
        return NotAdmitted("rejected", CLOSING)
    if not entry.has_room():
        reason = f"the queue of {entry.plan.name} is full ({len(entry.queue)} waiting)"
        return NotAdmitted("rejected", reason, max(MIN_RETRY_AFTER_S, expected_wait_s(stages.in_order)))
    return None
