"""The messages between the sending process and its parent, one JSON object a line.

The parent writes a TrialOrder to the sender's standard input. The sender answers SenderReady once its clips are read
and the relay has answered, and waits for an empty line. Then it sends, writes a SendProgress twice a second, writes
SenderFinished, and waits for a second empty line, so that its parent can read its CPU time. It writes SenderFailed
instead of any of these when it cannot go on.
"""

from __future__ import annotations

import os

import msgspec

from benchmarks.load.sending.arrivals import Arrival, Bound
from benchmarks.load.sending.driver import WarmUp


class TrialOrder(msgspec.Struct, frozen=True):
    """One trial to be sent.

    With `callers` it is a closed loop until `bound`, otherwise the open loop of `arrivals`. `keys` is the folder of
    keys for a relay that asks for them. `samples` is the file that samples are appended to. A request that has not
    ended `give_up_s` after the last arrival is cancelled.
    """

    address: str
    files: list[str]
    samples: str
    arrivals: list[Arrival] = []
    callers: int = 0
    bound: Bound = Bound()
    seed: int = 0
    warm_up: WarmUp = WarmUp()
    give_up_s: float = 60.0
    trial: int = 0
    keys: str | None = None
    parent: int = msgspec.field(default_factory=os.getpid)


class SenderReady(msgspec.Struct, frozen=True, tag=True):
    """The clips are read and the relay has answered."""


class SendProgress(msgspec.Struct, frozen=True, tag=True):
    """The progress so far. Percentiles are of the last requests that ended well, `rate` is of the last seconds."""

    sent: int
    ended: int
    rate: float
    in_flight: int
    p50_s: float | None
    p95_s: float | None


class SenderFinished(msgspec.Struct, frozen=True, tag=True):
    """Every request has ended, and the file holds a sample of each.

    `origin` is the beginning of the trial on the system's monotonic clock.
    """

    requests: int
    origin: float
    wall_s: float


class SenderFailed(msgspec.Struct, frozen=True, tag=True):
    """Nothing was sent; `message` says why."""

    message: str


SenderMessage = SenderReady | SendProgress | SenderFinished | SenderFailed
