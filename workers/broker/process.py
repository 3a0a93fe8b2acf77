"""The broker's process: ``python -m workers.broker --settings FILE --parent PID``."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import msgspec

from errors import RelevoError
from workers.broker.broker import Broker
from workers.broker.settings import BrokerSettings
from workers.processes.lifetime import die_with
from workers.processes.termination import leave_terminal_signals_to_parent


def main() -> None:
    """Runs the broker's process."""
    parser = argparse.ArgumentParser(description="The broker of a relay; `relevo` starts it.")
    parser.add_argument("--settings", type=Path, required=True, help="file with the BrokerSettings, as MessagePack")
    parser.add_argument("--parent", type=int, required=True, help="process id of the supervisor, to end with it")
    arguments = parser.parse_args()
    die_with(arguments.parent)
    leave_terminal_signals_to_parent()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    settings = msgspec.msgpack.decode(arguments.settings.read_bytes(), type=BrokerSettings)
    try:
        broker = Broker(settings)
    except RelevoError as error:
        sys.exit(str(error))
    broker.run()
