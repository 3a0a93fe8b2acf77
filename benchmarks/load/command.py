"""`relevo load`: loads a relay and writes a report."""

from __future__ import annotations

import argparse

from benchmarks.load.arguments import DESCRIPTION, EPILOG, add_arguments


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "load",
        help="load a relay and report latency, throughput and limits",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Runs the load test and returns the exit status; the end of the help lists them."""
    from benchmarks.load.execution import load_relay  # imports the plotting library: `relevo --help` does without
    from benchmarks.load.exit_status import exit_status

    return exit_status(load_relay(parsed))
