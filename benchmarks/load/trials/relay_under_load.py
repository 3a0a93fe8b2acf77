"""The relay under load: one that the load generator starts, or one that runs already."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from benchmarks.common.process_tree import cpu_seconds
from errors import RelayError
from pipeline import Pipeline
from workers.client.client import Client
from workers.config import PipelineConfig
from workers.processes.budget import available_cores
from workers.supervisor.replica_view import ReplicaView
from workers.wire.messages import StageInfo

IDLE_POLL_S = 0.2


class RelayUnderLoad:
    """A running relay.

    `config` and `ready_s` are None when it ran already. `root` is the process whose descendants are the relay, and
    `cores` is how many cores it may use; both are None when it runs on another machine.
    """

    def __init__(
        self,
        client: Client,
        keys: Path | None,
        *,
        root: int | None,
        cores: int | None,
        config: dict[str, Any] | None = None,
        ready_s: float | None = None,
        replicas: Callable[[], list[ReplicaView]] = list,
    ) -> None:
        self.client, self.keys, self.root, self.cores = client, keys, root, cores
        self.config, self.ready_s = config, ready_s
        self._replicas = replicas

    def stages(self) -> tuple[StageInfo, ...]:
        """Returns its stages in their present state."""
        return self.client.status().stages

    def starts(self) -> dict[str, int]:
        """Returns how many replicas each stage has started so far; {} when the relay was not started here."""
        counted: Counter[str] = Counter()
        for replica in self._replicas():
            counted[replica.stage] += replica.starts
        return dict(counted)

    def wait_until_idle(self, timeout_s: float, check: Callable[[], None] = lambda: None) -> None:
        """Returns when no job is queued or in service.

        Args:
            timeout_s: how long to wait.
            check: called a few times a second; what it raises ends the wait.

        Raises:
            RelayError: the relay is still busy after that time.
        """
        end = time.monotonic() + timeout_s
        while True:
            check()
            jobs = sum(stage.queued + stage.in_service for stage in self.stages())
            if not jobs:
                return
            if time.monotonic() > end:
                raise RelayError(f"the relay still has {jobs} jobs after {timeout_s:g} s; stop whoever else uses it")
            time.sleep(IDLE_POLL_S)

    def cpu_s(self, sender: int) -> float | None:
        """Returns the CPU seconds that its processes have used so far; None when it runs on another machine.

        This process and the sender are left out where they are in the same tree. The supervisor of a relay that was
        started here is a thread of this process and so left out too; it is idle but for restarts.
        """
        if self.root is None:
            return None
        total = cpu_seconds(self.root)
        own = psutil.Process()
        if self.root == own.pid or any(parent.pid == self.root for parent in own.parents()):
            for process in (own, psutil.Process(sender)):
                times = process.cpu_times()
                total -= times.user + times.system
        return total


@contextlib.contextmanager
def own_relay(
    config: PipelineConfig, weights: Path | None, on_change: Callable[[list[ReplicaView]], None] | None = None
) -> Iterator[RelayUnderLoad]:
    """Starts a relay, and ends it after the `with` block.

    Args:
        config: its configuration.
        weights: folder that holds the models, instead of the cache.
        on_change: called with the replicas whenever one of them changes its state while the relay starts.

    Raises:
        RelevoError: the configuration does not fit, or the relay does not come up.
    """
    pipeline = Pipeline(config, weights=weights)
    pipeline.start(on_change)
    try:
        yield RelayUnderLoad(
            pipeline.client,
            None if config.keys is None else Path(config.keys),
            root=psutil.Process().pid,
            cores=pipeline.plan.cores,
            config=config.model_dump(mode="json"),
            ready_s=pipeline.ready_s,
            replicas=pipeline.replicas,
        )
    finally:
        pipeline.stop(drain_s=0.0)


@contextlib.contextmanager
def running_relay(address: str, keys: Path | None) -> Iterator[RelayUnderLoad]:
    """Connects to a relay that runs already.

    Raises:
        RelayClosed: no relay answers at the address.
    """
    with Client(address, keys) as client:
        client.status()
        root = _root_of(address)
        yield RelayUnderLoad(client, keys, root=root, cores=None if root is None else available_cores())


def _root_of(address: str) -> int | None:
    """Finds the parent of the process that listens at an address; None when it is not visible on this machine."""
    scheme, _, place = address.partition("://")
    kind = "unix" if scheme == "ipc" else "tcp"
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind):
            if _listens(connection, place) and connection.pid is not None:
                return psutil.Process(connection.pid).ppid()
    return None


def _listens(connection: Any, place: str) -> bool:
    if isinstance(connection.laddr, str):
        return connection.laddr == place
    _, _, port = place.rpartition(":")
    return bool(connection.status == psutil.CONN_LISTEN and str(connection.laddr.port) == port)
