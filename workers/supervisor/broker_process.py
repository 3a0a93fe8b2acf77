"""The broker's process: its settings, its start, and its restart on the same addresses."""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from errors import AddressInUse, RelayError
from modules.contract.payloads import Audio
from workers.broker.settings import BrokerSettings
from workers.config import PipelineConfig
from workers.plan import StageLayout
from workers.processes.child import Child, end_together
from workers.replica.module_spec import ModuleSpec
from workers.scheduling.stage import StagePlan
from workers.supervisor.broker_watchdog import BrokerWatchdog
from workers.supervisor.restart_policy import BROKER_DELAYS_S, Backoff
from workers.supervisor.run_folder import RunFolder
from workers.wire import messages
from workers.wire.addresses import PRIVATE

logger = logging.getLogger("relevo.supervisor")


class _Addresses(NamedTuple):
    """Where a broker listens: for clients, for replicas, and for scrapes of metrics."""

    clients: str
    replicas: str
    metrics: str | None


class BrokerProcess:
    """The one broker of a relay. Times are monotonic seconds."""

    def __init__(self, config: PipelineConfig, folder: RunFolder, quiet: bool) -> None:
        """Starts nothing; `quiet` sends its log to a file of the run's folder instead of our standard error."""
        self._config, self._folder = config, folder
        self._log = folder.path / "broker.log" if quiet else None
        self._addresses = _Addresses(
            folder.socket_address("clients") if config.listen == PRIVATE else config.listen,
            folder.socket_address("replicas") if config.listen_replicas == PRIVATE else config.listen_replicas,
            config.metrics,
        )
        self._backoff = Backoff(BROKER_DELAYS_S)
        self._child: Child | None = None
        self._start_at = 0.0
        self.ready: messages.BrokerReady | None = None  # what it said when it last began to listen
        self._watchdog = BrokerWatchdog(config.broker_timeout_s)

    @property
    def pid(self) -> int | None:
        """Its process id, or None while there is no process."""
        return self._child.pid if self._child else None

    @property
    def replica_address(self) -> str | None:
        """Where replicas connect; None while that is not known.

        The path of a private socket is known before the broker listens there, and connecting waits for it.
        """
        if self._config.listen_replicas == PRIVATE:
            return self._addresses.replicas
        return self.ready.replicas if self.ready else None

    def exit_fds(self) -> list[int]:
        """A descriptor that becomes readable when its process ends."""
        return [self._child.exit_fd] if self._child else []

    def next_event_at(self, now: float) -> float:
        """When it is due to start; infinity if that is not foreseen."""
        return self._start_at if self._child is None and self._start_at > now else math.inf

    def start_due(self, stages: Iterable[StageLayout], now: float) -> bool:
        """Starts it for these stages if it is due; returns whether it did."""
        if self._child is not None or self._start_at > now:
            return False
        file = self._folder.path / "broker.msgpack"
        try:
            file.write_bytes(msgspec.msgpack.encode(self._settings(list(stages))))
            self._child = Child("workers.broker", ["--settings", str(file)], self._log)
        except OSError as error:
            if self.ready is None:
                raise
            delay_s = self._backoff.failed()
            self._start_at = now + delay_s
            logger.error("the broker cannot be started: %s; trying again in %.0f s", error, delay_s)
            return False
        return True

    def heard(self, now: float) -> None:
        """Takes in that a message came from it."""
        self._watchdog.heard(now)

    def listening_since(self, now: float) -> float:
        """Since when it is known to listen to the replicas; infinity while that is not known."""
        return self._watchdog.listening_since(now)

    def kill_if_silent(self, now: float) -> None:
        """Kills it if it is frozen, so that it is replaced."""
        if self._child is not None and (why := self._watchdog.silent(now)):
            logger.error("the broker is frozen (%s); another replaces it", why)
            self._child.signal(signal.SIGKILL)

    def became_ready(self, ready: messages.BrokerReady, now: float) -> None:
        """Takes in that it listens, and where: a later one shall listen there too."""
        self.ready = ready
        self._watchdog.began(now)
        self._addresses = _Addresses(ready.clients, ready.replicas, ready.metrics or None)
        self._backoff.succeeded()

    def clear_ended(self, now: float, *, closing: bool) -> RelayError | None:
        """Sets when it starts again if its process has ended.

        Returns:
            Why it cannot start at all, if it has never listened; it is not tried again then.
        """
        child = self._child
        if child is None or not child.ended():
            return None
        cause, last_line = child.exit_cause(), child.last_line()
        child.close()
        self._child = None
        self._watchdog.ended()
        if self.ready is None:
            self._start_at = math.inf
            return AddressInUse(last_line) if "use" in cause else RelayError(f"the broker {cause}")
        delay_s = self._backoff.failed()
        self._start_at = now + delay_s
        if not closing:
            logger.warning("the broker %s; starting it again in %.0f s", cause, delay_s)
        return None

    def end(self) -> None:
        """Ends its process."""
        end_together([self._child] if self._child else [])

    def _settings(self, stages: list[StageLayout]) -> BrokerSettings:
        config = self._config
        return BrokerSettings(
            clients=self._addresses.clients,
            replicas=self._addresses.replicas,
            control=self._folder.socket_address("control"),
            max_attempts=config.max_attempts,
            stages=[stage_plan(stage) for stage in stages],
            specs={stage.name: _module_spec(stage, config.seed) for stage in stages},
            dead_letters=str(Path(config.dead_letters).absolute()),
            keys=config.keys,
            metrics=self._addresses.metrics,
            objectives_s=tuple(config.objectives_s),
            spans=config.spans,
        )


def stage_plan(stage: StageLayout) -> StagePlan:
    """The scheduler's view of a stage."""
    config = stage.config
    return StagePlan(
        name=stage.name,
        accepts="audio" if stage.module.accepts is Audio else "text",
        module=config.module,
        threads=stage.threads,
        max_batch=config.max_batch,
        max_batch_cost=config.max_batch_cost or math.inf,
        max_wait_s=config.max_wait_ms / 1000,
        queue_items=config.queue_items,
        queue_cost=config.queue_cost or math.inf,
    )


def _module_spec(stage: StageLayout, seed: int) -> bytes:
    config = stage.config
    return msgspec.json.encode(ModuleSpec(config.module, config.model, config.options, seed))
