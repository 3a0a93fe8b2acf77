"""The command line of a replica.

    python -m workers.replica --stage speak --connect ADDRESS

It keeps the process to its share of the machine before anything that computes is imported.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import secrets
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from errors import ConfigError
from workers.processes.budget import apply_budget
from workers.processes.lifetime import die_with
from workers.processes.termination import leave_terminal_signals_to_parent
from workers.replica.module_spec import ModuleSpec
from workers.replica.replica import Replica
from workers.wire.addresses import validate_address
from workers.wire.keys import PeerKeys

if TYPE_CHECKING:
    from modules.contract.module import Module

WAIT_S = 30.0


def parser() -> argparse.ArgumentParser:
    """Makes the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m workers.replica",
        description="Runs one replica of a stage: it connects to a relay, loads the module that the relay names, and "
        "computes until the relay or SIGTERM drains it.",
    )
    made.add_argument("--stage", required=True, help="name of the stage to serve")
    made.add_argument("--connect", required=True, metavar="ADDRESS", help="the relay's listen_replicas")
    made.add_argument("--keys", type=Path, metavar="DIR", help="folder with broker.key and peer.key_secret, for tcp://")
    made.add_argument(
        "--wait",
        type=float,
        default=WAIT_S,
        metavar="S",
        help="seconds that the relay may take to answer (default: %(default).0f)",
    )
    made.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads to compute with (default: 1)")
    made.add_argument("--device", default="cpu", help="cpu, or cuda:N (default: cpu)")
    made.add_argument(
        "--nice", type=int, default=0, metavar="N", help="give way to others who want the cores (default: 0)"
    )
    made.add_argument("--weights", type=Path, metavar="DIR", help="folder with the models, instead of the cache")
    made.add_argument("--name", help="name of this replica in reports (default: made from the stage and the host)")
    made.add_argument("--parent", type=int, metavar="PID", help="process to end with; set by the supervisor")
    return made


def main() -> None:
    """Runs a replica's process."""
    commands = parser()
    arguments = commands.parse_args()
    os.nice(arguments.nice)
    apply_budget(arguments.threads, arguments.device)
    if arguments.parent is not None:
        die_with(arguments.parent)
        leave_terminal_signals_to_parent()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    if arguments.weights is not None:
        os.environ["RELEVO_WEIGHTS"] = str(arguments.weights)  # also for models that a module's options name
    name = arguments.name or f"{arguments.stage}@{socket.gethostname()}-{secrets.token_hex(3)}"
    try:
        address = validate_address(arguments.connect)
        keys = None if arguments.keys is None else PeerKeys.read(arguments.keys)
    except ConfigError as error:
        commands.error(str(error))
    replica = Replica(arguments.stage, address, keys, name)
    sys.exit(replica.run(lambda spec: _load(spec, arguments.threads, arguments.device), arguments.wait))


def _load(spec: ModuleSpec, threads: int, device: str) -> Module:
    """Makes the module, within the budget; its libraries are imported here."""
    from modules.contract.module import Compute
    from modules.contract.registry import module_class, module_options
    from modules.weights import locate

    model = None if spec.model is None else locate(spec.model)
    compute = Compute(threads, device.partition(":")[0], spec.seed)
    return module_class(spec.module)(model, module_options(spec.module, spec.options), compute)
