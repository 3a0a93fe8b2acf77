"""`python pipeline.py scale`: changes the number of a stage's replicas while the relay runs."""

from __future__ import annotations

import argparse

from commands.options import add_connect_options, client_of


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "scale",
        help="change the number of a stage's replicas in a running relay",
        description="Changes the number of a stage's replicas in a relay that `serve` keeps up. New replicas load "
        "beside the old; those that are no longer wanted finish what they have in hand. No request is harmed. "
        "With threads: auto the cores are shared anew, and replicas with another thread budget are replaced.",
    )
    parser.add_argument("stage", metavar="STAGE", help="name of the stage")
    parser.add_argument("replicas", metavar="N", type=int, help="how many replicas it shall have")
    add_connect_options(parser, "the address that `serve` printed")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Asks the relay."""
    with client_of(arguments) as client:
        client.scale(arguments.stage, arguments.replicas)
        stages = client.status().stages
    for stage in stages:
        print(f"{stage.name}: {stage.ready} ready, {stage.replicas} wanted")
    return 0
