"""`relevo tune`: finds the ratio for a machine and a load."""

from __future__ import annotations

import argparse

from benchmarks.tune.arguments import DESCRIPTION, EPILOG, add_arguments


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "tune",
        help="find the ratio of replicas for a machine and a load",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Runs the tuner and returns the exit status; the end of the help lists them."""
    from benchmarks.tune.execution import show_seed_capacities, tune  # imports simpy: `relevo --help` does without
    from benchmarks.tune.options import tune_options

    if parsed.seed_times is not None:
        show_seed_capacities(parsed.seed_times)
    else:
        tune(tune_options(parsed))
    return 0
