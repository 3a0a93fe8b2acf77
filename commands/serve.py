"""`python pipeline.py serve`: keeps a relay up for other processes."""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
from collections.abc import Callable
from queue import SimpleQueue

from commands.opened_relay import OpenRelay
from commands.options import add_config_options
from commands.signals import take
from workers.processes.termination import on_termination


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], run: Callable[[argparse.Namespace], int]
) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "serve",
        help="keep a relay up until SIGTERM, SIGHUP or Ctrl-C",
        description="Starts a relay, prints its address once it is ready and that of its metrics, and keeps it up. "
        "Submit to it with "
        "`python pipeline.py run --connect ADDRESS FILES…` or Client(address), from any number of processes. SIGTERM, "
        "SIGHUP or Ctrl-C refuses new requests, finishes the accepted ones (at most drain_s) and ends.",
    )
    add_config_options(parser)
    parser.add_argument("--listen", metavar="ADDRESS", help="ipc, ipc:///path or tcp://127.0.0.1:PORT; see config.yaml")
    parser.add_argument(
        "--listen-replicas", metavar="ADDRESS", help="where replicas from elsewhere dial in; see config.yaml"
    )
    parser.add_argument(
        "--metrics", metavar="HOST:PORT", help="where /metrics, /livez and /readyz are served; see config.yaml"
    )
    parser.set_defaults(run=run)


def run(open_relay: OpenRelay, arguments: argparse.Namespace) -> int:
    """Serves until a signal."""
    logging.getLogger("relevo").setLevel(logging.INFO)
    if arguments.listen is not None:
        arguments.assignments.append(f"listen={arguments.listen}")
    if arguments.listen_replicas is not None:
        arguments.assignments.append(f"listen_replicas={arguments.listen_replicas}")
    if arguments.metrics is not None:
        arguments.assignments.append(f"metrics={arguments.metrics}")
    asked_to_end: SimpleQueue[signal.Signals] = SimpleQueue()
    with open_relay(arguments, quiet=False) as relay:
        on_termination(asked_to_end.put)
        print(f"ready at {relay.address}", flush=True)
        if relay.metrics_url is not None:
            print(f"metrics at {relay.metrics_url}", flush=True)
        take(asked_to_end)
        with contextlib.suppress(OSError):  # after SIGHUP there may be no terminal to write to
            print("draining", flush=True)
    return 0
