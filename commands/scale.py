"""`relevo scale`: changes the number of a stage's replicas while the relay runs."""

from __future__ import annotations

import argparse

from commands.options import add_connect_options, client_of
from commands.output import say

EXAMPLES = """\
example:
  relevo scale speak 3 --connect ipc:///tmp/relevo.sock"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "scale",
        help="change the number of a stage's replicas in a running relay",
        description="Changes the number of a stage's replicas in a relay that `relevo serve` keeps up. New replicas "
        "load beside the old; replicas that are no longer wanted finish their jobs first. No request is harmed. With "
        "threads: auto the cores are shared anew, and replicas with another thread budget are replaced.",
        epilog=EXAMPLES,
    )
    parser.add_argument("stage", metavar="STAGE", help="name of the stage")
    parser.add_argument("replicas", metavar="N", type=int, help="number of replicas that it shall have")
    add_connect_options(parser, "address that `relevo serve` printed")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Asks the relay, and prints how many replicas each stage has."""
    with client_of(arguments) as client:
        client.scale(arguments.stage, arguments.replicas)
        stages = client.status().stages
    for stage in stages:
        say(f"{stage.name}: {stage.ready} ready, {stage.replicas} wanted")
    return 0
