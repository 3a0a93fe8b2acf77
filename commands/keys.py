"""`relevo keys`: makes the keys that a relay needs to listen beyond this machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from commands.output import say

NEXT = """\
{folder} holds the keys of a relay. Files that end in _secret are to be kept secret.

  the relay             set keys: {folder} in its configuration; it needs the whole folder
  clients and replicas  copy broker.key and peer.key_secret into a folder DIR of theirs, then
                          python -m workers.replica --stage NAME --connect tcp://HOST:PORT --keys DIR
                          relevo run --connect tcp://HOST:PORT --keys DIR FILE
  a key pair of its own for one of them
                        make a second folder there, replace its broker.key by this one, and copy its
                        admitted/peer.key to {folder}/admitted under another name, such as alice.key
  to shut a peer out    remove its file from {folder}/admitted; it counts from its next connection on"""

EXAMPLES = """\
examples:
  relevo keys relay-keys
  relevo serve --listen tcp://0.0.0.0:7000 --set keys=relay-keys"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "keys",
        help="make keys for a relay that others reach over TCP",
        description="Makes a key pair for the broker and one for its clients and replicas (ZeroMQ CURVE) in a new "
        "folder, and prints what to copy where. Nothing is overwritten.",
        epilog=EXAMPLES,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder to make")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Makes the keys."""
    from workers.wire.keys import make_keys

    make_keys(arguments.folder)
    for line in NEXT.format(folder=arguments.folder).split("\n"):
        say(line)
    return 0
