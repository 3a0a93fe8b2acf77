"""`relevo serve`: keeps a relay up for other processes."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable

from commands.options import add_config_options
from commands.output import say
from commands.own_relay import MakeOwnRelay
from errors import RelayError

EXAMPLES = """\
examples:
  relevo serve --config pipelines/offline.yaml --listen ipc:///tmp/relevo.sock
  relevo serve --config pipelines/offline.yaml --ratio 1:1:2 --metrics 127.0.0.1:9464
  relevo run --connect ipc:///tmp/relevo.sock hola.wav        in another terminal

beyond this machine (see `relevo keys --help`):
  relevo serve --listen tcp://0.0.0.0:7000 --set keys=DIR"""


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], run: Callable[[argparse.Namespace], int]
) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "serve",
        help="keep a relay up until SIGTERM, SIGHUP or Ctrl-C",
        description="Starts a relay, prints its address once it is ready and that of its metrics, and keeps it up. "
        "Any number of processes submit to it, with `relevo run --connect ADDRESS FILE` or Client(address). "
        "SIGTERM, SIGHUP or Ctrl-C refuses new requests, finishes the accepted ones (for at most drain_s seconds) and "
        "ends.",
        epilog=EXAMPLES,
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


def run(make_relay: MakeOwnRelay, arguments: argparse.Namespace) -> int:
    """Serves until a signal.

    Raises:
        RelayError: the relay ended by itself; says why.
    """
    import signal
    from queue import SimpleQueue

    from commands.signals import take
    from workers.processes.termination import on_termination

    logging.getLogger("relevo").setLevel(logging.INFO)
    for key in ("listen", "listen_replicas", "metrics"):
        value = getattr(arguments, key)
        if value is not None:
            arguments.assignments.append(f"{key}={value}")
    ends: SimpleQueue[signal.Signals | RelayError] = SimpleQueue()
    with make_relay(arguments, quiet=False) as relay:
        on_termination(ends.put)
        relay.on_failure(ends.put)
        say(f"ready at {relay.address}")
        if relay.metrics_url is not None:
            say(f"metrics at {relay.metrics_url}")
        end = take(ends)
        if isinstance(end, RelayError):
            raise end
        say("draining")
    return 0
