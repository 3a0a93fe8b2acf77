"""The place of one replica in a stage: filled when it is due, watched while it runs, emptied when it dies."""

from __future__ import annotations

import math
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from workers.plan import StageLayout
from workers.processes.child import Child
from workers.wire import messages

BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
DUMP_S = 1.0  # between asking a stuck replica for its stacks and killing it


@dataclass(frozen=True, slots=True)
class SlotView:
    """What others may know of a replica."""

    stage: str
    name: str
    pid: int | None
    state: messages.ReplicaState
    rss_bytes: int
    starts: int


@dataclass(eq=False, slots=True)
class Slot:
    """One replica's place. Times are monotonic seconds."""

    stage: StageLayout
    number: int
    device: str
    child: Child | None = None
    name: str = ""
    starts: int = 0
    state: messages.ReplicaState = "dead"
    busy_s: float = 0.0
    rss_bytes: int = 0
    reason: str = ""  # why it ends, where that is known before its process has ended …
    ended_as: messages.RestartCause | None = None  # … and in one word, where its process does not show it
    started_at: float = 0.0
    seen_at: float = 0.0
    start_at: float = 0.0  # when to start it next
    kill_at: float = math.inf
    failures: int = 0  # deaths since it last became ready
    leaving: bool = False  # told to drain: its end is no failure
    surplus: bool = False  # not to be filled again

    @property
    def loading(self) -> bool:
        """Whether it has a process that is not ready yet."""
        return self.child is not None and self.state in ("starting", "loading", "warming")

    @property
    def serving(self) -> bool:
        """Whether it is warm and takes work."""
        return self.child is not None and self.state in ("ready", "busy") and not self.leaving

    def start(self, address: str, keys: str | None, weights: Path | None, log_folder: Path | None) -> None:
        """Starts a replica here that dials `address` and shows `keys`."""
        self.name = f"{self.stage.name}-{self.number}.{self.starts}"
        arguments = ["--stage", self.stage.name, "--connect", address, "--name", self.name]
        arguments += ["--threads", str(self.stage.threads), "--device", self.device]
        arguments += ["--nice", str(self.stage.config.nice)]
        if weights is not None:
            arguments += ["--weights", str(weights)]
        if keys is not None:
            arguments += ["--keys", keys]
        log = log_folder / f"{self.name}.log" if log_folder else None
        self.child = Child("workers.replica", arguments, log, self.stage.config.python)
        self.starts += 1
        self.state, self.reason, self.ended_as, self.leaving = "starting", "", None, False
        self.busy_s, self.kill_at, self.rss_bytes = 0.0, math.inf, 0
        self.started_at = self.seen_at = time.monotonic()

    def note(self, status: messages.ReplicaStatus) -> None:
        """Takes in a sign of life."""
        self.state, self.seen_at, self.busy_s = status.state, time.monotonic(), status.busy_s
        self.rss_bytes = status.rss_bytes or self.rss_bytes
        self.reason = status.reason or self.reason
        if status.state in ("ready", "busy"):
            self.failures = 0

    def bury(self, child: Child) -> tuple[str, str]:
        """Empties the place after its process has ended; the cause, and the end of its log."""
        cause, log_tail = self.reason or child.cause_of_death(), child.log_tail()
        child.close()
        self.child, self.state, self.kill_at = None, "dead", math.inf
        if self.leaving:
            self.start_at = 0.0
        else:
            self.start_at = time.monotonic() + BACKOFF_S[min(self.failures, len(BACKOFF_S) - 1)]
            self.failures += 1
        return cause, log_tail

    def stuck(self, now: float, heartbeat_timeout_s: float) -> str:
        """Why it is taken for stuck, or nothing."""
        limits = self.stage.config
        if self.loading:
            load_s = now - self.started_at
            return f"not ready after {load_s:.0f} s" if load_s > limits.load_timeout_s else ""
        silent_s = now - self.seen_at
        if silent_s > heartbeat_timeout_s:
            return f"no sign of life for {silent_s:.0f} s"
        if self.busy_s > limits.stuck_after_s:
            return f"computing for {self.busy_s:.0f} s without an output"
        return ""

    def end_stuck(self, why: str, now: float) -> None:
        """Asks it for its stacks, which go to its log, and sets the time to kill it."""
        self.reason, self.ended_as = f"stuck: {why}", "stuck"
        self.kill_at = now + DUMP_S
        if self.child is not None:
            self.child.signal(signal.SIGUSR1)

    def over_memory(self) -> bool:
        """Whether it has outgrown its stage's memory limit."""
        limit_mb = self.stage.config.memory_limit_mb
        return limit_mb is not None and self.rss_bytes > limit_mb * 2**20

    def view(self) -> SlotView:
        """What others may know."""
        pid = self.child.pid if self.child else None
        return SlotView(self.stage.name, self.name, pid, self.state, self.rss_bytes, self.starts)
