"""Relevo's library and its command line: the class `Pipeline`, and `main`, which the command `relevo` calls.

    with Pipeline.from_config("pipelines/offline.yaml", ratio="1:1:2") as pipeline:
        result = pipeline.submit(read_audio(Path("hola.flac"))).result()

`relevo --help` imports this file, so ZeroMQ, NumPy and pydantic, which take a second, are imported where they are used.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkout import ROOT, VERSION
from commands import check, completion, dead, keys, scale, serve
from commands.arguments import CommandParser
from commands.missing_package import remedy
from commands.options import config_of
from commands.output import lasting_output, say
from commands.run import command as run
from commands.signals import end_by
from commands.weights import command as weights
from errors import ConfigError, RelayClosed, RelayError, RelevoError
from workers.processes.termination import on_termination

if TYPE_CHECKING:
    from concurrent.futures import Future

    from modules.contract.payloads import Payload
    from workers.client import Client
    from workers.client.pending import OnEvent
    from workers.client.result import Result
    from workers.client.stream import Stream
    from workers.config import PipelineConfig
    from workers.supervisor.replica_view import ReplicaView
    from workers.wire import messages

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

EXAMPLES = """\
begin with:
  relevo weights fetch
  relevo run --config pipelines/offline.yaml samples/*.flac"""


class Pipeline:
    """Runs a relay of its own from `start` to `stop`: broker, replicas and a client. Use it as a context manager."""

    def __init__(self, config: PipelineConfig, *, weights: Path | None = None, quiet: bool = True) -> None:
        """Checks the configuration against modules, weights and machine; starts nothing.

        Args:
            config: the configuration.
            weights: folder that holds the models, instead of the cache.
            quiet: keep the processes' logs out of our standard error.

        Raises:
            ConfigError: the configuration does not fit the modules or the machine.
            MissingWeights: a model is not on this machine.
        """
        from workers.plan import make_plan
        from workers.supervisor.supervisor import Supervisor

        self.plan = make_plan(config, weights)
        self.ready_s: float | None = None
        self._supervisor = Supervisor(self.plan, weights, quiet)
        self._client: Client | None = None
        self._on_failure: Callable[[RelayError], None] | None = None

    @classmethod
    def from_config(
        cls, path: str | Path, *, ratio: str | None = None, weights: Path | None = None, **overrides: Any
    ) -> Pipeline:
        """Makes a pipeline from a configuration file; `ratio` and `overrides` win over environment and file."""
        from workers.config import load_config

        if ratio is not None:
            overrides["ratio"] = ratio
        return cls(load_config(path, **overrides), weights=weights)

    def __enter__(self) -> Pipeline:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stop(drain_s=None if kind is None else 0.0)

    def start(self, on_change: Callable[[list[ReplicaView]], None] | None = None) -> None:
        """Starts every process and returns once every stage has a warmed replica.

        Args:
            on_change: called with the replicas whenever one of them changes its state meanwhile.

        Raises:
            RelayError: the relay cannot come up; the message says why.
        """
        from workers.client import Client

        began = time.monotonic()
        try:
            self._supervisor.start(on_change)
            self._client = Client(self._supervisor.address, self.plan.config.keys)
            self._client.status()
            self._supervisor.on_failure(self._failed)
        except BaseException:
            self.stop(drain_s=0.0)
            raise
        self.ready_s = time.monotonic() - began

    def on_failure(self, call: Callable[[RelayError], None]) -> None:
        """Calls back once, from another thread, if the relay ends by itself; every future ends with RelayClosed."""
        self._on_failure = call

    def _failed(self, error: RelayError) -> None:
        if self._client is not None:
            self._client.fail(RelayClosed(str(error)))
        if self._on_failure is not None:
            self._on_failure(error)

    def stop(self, drain_s: float | None = None) -> None:
        """Refuses new requests, lets accepted ones finish, and ends every process.

        Args:
            drain_s: how long they may take; default: as configured. What is left then is cancelled.
        """
        self._supervisor.stop(self.plan.config.drain_s if drain_s is None else drain_s)
        if self._client is not None:
            self._client.close()

    def submit(
        self,
        payload: Payload,
        *,
        deadline_s: float | None = None,
        priority: messages.Priority = "interactive",
        on_event: OnEvent | None = None,
        patient: bool = False,
    ) -> Future[Result]:
        """Sends one request and returns a future of its result; see `Client.submit`."""
        return self.client.submit(payload, deadline_s=deadline_s, priority=priority, on_event=on_event, patient=patient)

    def stream(
        self, payload: Payload, *, deadline_s: float | None = None, priority: messages.Priority = "interactive"
    ) -> Stream:
        """Sends one request and returns its events in order, as they happen; see `Client.stream`."""
        return self.client.stream(payload, deadline_s=deadline_s, priority=priority)

    def map(
        self, payloads: Iterable[Payload], *, in_flight: int = 16, priority: messages.Priority = "batch"
    ) -> Iterator[Result]:
        """Sends many requests, at most `in_flight` at once, and yields their results in order; see `Client.map`."""
        return self.client.map(payloads, in_flight=in_flight, priority=priority)

    def scale(self, stage: str, replicas: int) -> None:
        """Changes the number of a stage's replicas while the relay runs; no request is harmed. See `Client.scale`."""
        self.client.scale(stage, replicas)

    @property
    def client(self) -> Client:
        """Returns the client of this relay.

        Raises:
            RelayClosed: the pipeline has not been started.
        """
        if self._client is None:
            raise RelayClosed("this pipeline is not running; call start() or use it in a with statement")
        return self._client

    @property
    def address(self) -> str:
        """Returns the address for other processes' `Client(address)`."""
        return self._supervisor.address

    @property
    def replica_address(self) -> str:
        """Returns the address for replicas: ``python -m workers.replica --stage NAME --connect ADDRESS``."""
        return self._supervisor.replica_address

    @property
    def metrics_url(self) -> str | None:
        """Returns the URL that Prometheus scrapes, beside /livez and /readyz; None when no metrics are served."""
        return self._supervisor.metrics_url

    def replicas(self) -> list[ReplicaView]:
        """Returns the replicas in their present states; remote ones have no process id."""
        return self._supervisor.replicas()

    @property
    def broker_pid(self) -> int | None:
        """Returns the process id of the broker."""
        return self._supervisor.broker_pid


def open_pipeline(arguments: argparse.Namespace, quiet: bool = True) -> Pipeline:
    """Makes the pipeline that the command line asks for; it is not started."""
    return Pipeline(config_of(arguments), weights=arguments.weights, quiet=quiet)


def parser() -> argparse.ArgumentParser:
    """Makes the parser of the command line."""
    made: argparse.ArgumentParser = CommandParser(
        prog="relevo",
        description="Translates Spanish speech to Chinese speech through a relay of models. Every command has a --help "
        "that says more.",
        epilog=EXAMPLES,
    )
    version = f"relevo {VERSION} ({ROOT}, Python {platform.python_version()})"
    made.add_argument("--version", action="version", version=version)
    commands = made.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    run.add_parser(commands, lambda parsed: run.run(open_pipeline, parsed))
    serve.add_parser(commands, lambda parsed: serve.run(open_pipeline, parsed))
    scale.add_parser(commands)
    check.add_parser(commands)
    dead.add_parser(commands)
    weights.add_parser(commands)
    keys.add_parser(commands)
    _add_benchmarks(commands)
    completion.add_parser(commands, made)
    return made


def _add_benchmarks(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the commands of `benchmarks`.

    `benchmarks` stands above this file and imports `Pipeline` from it, so it is imported here and not at the top.
    """
    from benchmarks.load import command as load
    from benchmarks.load import compare
    from benchmarks.tune import command as tune

    load.add_parser(commands)
    compare.add_parser(commands)
    tune.add_parser(commands)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status.

    The current folder is searched for the modules that a configuration names, after everything else: no file in it can
    take the place of one of Relevo's.

    Returns:
        0 all went well, 1 something failed, 2 wrong usage or configuration, 130 interrupted; some commands have more.
    """
    with lasting_output() as output:
        logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
        on_termination(end_by)
        with contextlib.suppress(FileNotFoundError):  # the current folder was removed
            if (here := str(Path.cwd())) not in sys.path:
                sys.path.append(here)
        status = _run(arguments)
    if failure := output.failure():
        say(f"relevo: output is lost: {failure}", error=True)
        return status or EXIT_FAILED
    return status


def _run(arguments: Sequence[str] | None) -> int:
    parsed = parser().parse_args(arguments)
    try:
        status: int = parsed.run(parsed)
    except RelevoError as error:
        say(f"relevo: {error}", error=True)
        return EXIT_USAGE if isinstance(error, ConfigError) else EXIT_FAILED
    except ModuleNotFoundError as error:
        message = remedy(error, f"relevo {parsed.command}")
        if message is None:
            raise
        say(f"relevo: {message}", error=True)
        return EXIT_FAILED
    except KeyboardInterrupt:
        say("relevo: interrupted", error=True)
        return EXIT_INTERRUPTED
    return status


if __name__ == "__main__":
    sys.exit(main())
