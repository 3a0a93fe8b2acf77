"""Drives one way to join three no-op stages: one request at a time for latency, then many at once for throughput.

    python -m benchmarks.peers.transports SYSTEM [--max-batch 1]

relevo          our relay of pipelines/noop.yaml; --max-batch is its batch size
bare-chain      a chain of ZeroMQ PUSH and PULL sockets: no header, no tracking, no recovery
bare-star       ZeroMQ through one process in the middle, which keeps nothing
queues          spawned processes between multiprocessing's queues
manager-queues  spawned processes between a Manager's queues, as in the seed
mosec           three mosec stages over HTTP on loopback; needs `make peers`

Prints one line of JSON: p50 and p99 latency in milliseconds, and requests per second.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable

from benchmarks.common.command_line import measurement_parser, require, run_measurement

SYSTEMS = {  # by name, so that a package is imported only where it is used
    "relevo": "noop_relay:run",
    "bare-chain": "bare_chain:run",
    "bare-star": "bare_star:run",
    "queues": "queues:run_plain",
    "manager-queues": "queues:run_managed",
    "mosec": "mosec_server:run",
}


def main() -> int:
    """Drives the system and prints its figures."""
    parser = measurement_parser(__doc__)
    parser.add_argument("system", choices=SYSTEMS, metavar="SYSTEM")
    parser.add_argument("--max-batch", type=int, default=1, help="of relevo (default: 1)")
    arguments = parser.parse_args()
    if arguments.system == "mosec":
        require("mosec")
    file, _, function = SYSTEMS[arguments.system].partition(":")
    run: Callable[[int], dict[str, float]] = getattr(importlib.import_module(f"{__package__}.{file}"), function)
    print(json.dumps({"system": arguments.system, **run(arguments.max_batch)}))
    sys.stdout.flush()
    os._exit(0)  # some systems have threads that never return


if __name__ == "__main__":
    run_measurement(main)
