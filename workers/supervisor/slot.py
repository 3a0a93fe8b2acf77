"""The slot of one replica in a stage, and the process that fills it."""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from workers.plan import StageLayout
from workers.processes.child import Child
from workers.supervisor.replica_view import ReplicaView
from workers.wire import messages

DUMP_S = 1.0  # between asking a stuck replica for its stacks and killing it
COMPUTING_CPU_S = 0.1  # more than an idle process uses between two looks


class Launch(NamedTuple):
    """Arguments that all replicas of a relay start with.

    Args:
        address: where the broker listens for replicas.
        keys: folder of keys to show, or None.
        weights: folder that holds the models, instead of the cache.
        log_folder: folder for their logs; None for our standard error.
    """

    address: str
    keys: str | None
    weights: Path | None
    log_folder: Path | None


class ReplicaExit(NamedTuple):
    """How a replica's process ended: asked for or not, why in words and as a label of the metrics, its log's end."""

    expected: bool
    reason: str
    cause: messages.RestartCause
    log_tail: str


@dataclass(eq=False, slots=True)
class Slot:
    """One replica's slot, empty while it has no process. Times are monotonic seconds."""

    stage: StageLayout
    number: int
    device: str
    surplus: bool = False  # not filled again once it is empty
    starts: int = 0
    # of the process that fills it now
    child: Child | None = None
    name: str = ""
    state: messages.ReplicaState = "dead"
    busy_s: float = 0.0
    rss_bytes: int = 0
    warm_bytes: int = 0  # its memory when it was last seen warming, before any work
    started_at: float = 0.0
    heard_at: float = 0.0
    cpu_s: float = math.inf  # its CPU time at the last look of this silence; infinity before the first …
    computing_at: float = 0.0  # … and when that was last seen to grow while it was silent
    draining: bool = False
    kill_at: float = math.inf
    reason: str = ""  # why it ends, if that is known before its process has ended
    cause: messages.RestartCause | None = None  # the same as a label, if its exit status does not show it

    @property
    def loading(self) -> bool:
        """Whether it has a process that is not ready yet."""
        return self.child is not None and self.state in ("starting", "loading", "warming")

    @property
    def serving(self) -> bool:
        """Whether its replica is warm and takes work."""
        return self.child is not None and self.state in ("ready", "busy") and not self.draining

    def start(self, launch: Launch, now: float) -> None:
        """Starts a replica in the empty slot."""
        self.name = f"{self.stage.name}-{self.number}.{self.starts}"
        arguments = ["--stage", self.stage.name, "--connect", launch.address, "--name", self.name]
        arguments += ["--threads", str(self.stage.threads), "--device", self.device]
        arguments += ["--nice", str(self.stage.config.nice)]
        if launch.weights is not None:
            arguments += ["--weights", str(launch.weights)]
        if launch.keys is not None:
            arguments += ["--keys", launch.keys]
        log = launch.log_folder / f"{self.name}.log" if launch.log_folder else None
        self.child = Child("workers.replica", arguments, log, self.stage.config.python)
        self.starts += 1
        self.state, self.busy_s, self.rss_bytes, self.warm_bytes = "starting", 0.0, 0, 0
        self.started_at = self.heard_at = now
        self.cpu_s, self.computing_at = math.inf, 0.0
        self.draining, self.kill_at, self.reason, self.cause = False, math.inf, "", None

    def update(self, status: messages.ReplicaStatus, now: float) -> None:
        """Takes in what its replica last said."""
        self.state, self.busy_s, self.heard_at = status.state, status.busy_s, now
        self.cpu_s = math.inf
        self.rss_bytes = status.rss_bytes or self.rss_bytes
        if status.state == "warming":
            self.warm_bytes = status.rss_bytes or self.warm_bytes
        self.reason = status.reason or self.reason

    def look_at_cpu(self, now: float) -> None:
        """Notes whether its process computes although it is silent, as it does in a call that holds the GIL."""
        cpu_s = self.child.cpu_s() if self.child is not None else 0.0
        if cpu_s - self.cpu_s >= COMPUTING_CPU_S:
            self.computing_at = now
        self.cpu_s = cpu_s

    def kill_with_stacks(self, reason: str, now: float) -> None:
        """Asks its replica to write its stacks to its log, and sets the time to kill it."""
        self.reason, self.cause = f"stuck: {reason}", "stuck"
        self.kill_at = now + DUMP_S
        if self.child is not None:
            self.child.signal(signal.SIGUSR1)

    def clear(self, child: Child) -> ReplicaExit:
        """Empties the slot whose process, `child`, has ended."""
        ended = ReplicaExit(
            self.draining, self.reason or child.exit_cause(), self.cause or child.exit_kind(), child.log_tail()
        )
        child.close()
        self.child, self.state, self.kill_at = None, "dead", math.inf
        return ended

    def view(self) -> ReplicaView:
        """The public state of its replica."""
        pid = self.child.pid if self.child else None
        return ReplicaView(self.stage.name, self.name, pid, self.state, self.rss_bytes, self.starts)
