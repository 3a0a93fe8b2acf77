"""What the relay itself costs: three no-op stages beside other ways to join three stages, in one run.

    python -m benchmarks.relay.overhead [--rounds 3]

Every system gets the same payloads and the same load (benchmarks/peers/transports/drive.py); the systems are run in
turn, so that a drift of the machine's speed meets all of them. None of them makes batches, but for a second row of
ours. The two bare ones track nothing: the chain shows what ZeroMQ costs, the star what a broker in the middle costs by
its place alone.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.common.environment import environment
from checkout import ROOT

OURS = "relevo"
SYSTEMS = (
    (OURS, ["relevo"]),
    ("relevo, batches of up to 4", ["relevo", "4"]),
    ("bare ZeroMQ chain", ["bare_chain"]),
    ("bare ZeroMQ star", ["bare_star"]),
    ("multiprocessing queues (plain)", ["queues", "plain"]),
    ("multiprocessing queues (manager)", ["queues", "manager"]),
    ("mosec", ["mosec_stages"]),
)
TIMEOUT_S = 300


def main() -> None:
    """Runs every system in turn and prints the medians beside ours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often every system is run (default: 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    arguments = parser.parse_args()
    systems = list(SYSTEMS)
    if importlib.util.find_spec("mosec") is None:
        systems.pop()
        print("mosec is left out: it is not installed (make peers)", file=sys.stderr)
    figures: dict[str, list[dict[str, float]]] = {name: [] for name, _ in systems}
    with Progress(transient=True) as progress:
        task = progress.add_task("systems", total=arguments.rounds * len(systems))
        for _ in range(arguments.rounds):
            for name, (module, *rest) in systems:
                progress.update(task, description=name)
                command = [sys.executable, "-m", f"benchmarks.peers.{module}", *rest]
                done = subprocess.run(
                    command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=TIMEOUT_S
                )
                figures[name].append(json.loads(done.stdout.splitlines()[-1]))
                progress.advance(task)
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in ("p50_ms", "p99_ms", "rps")}
        for name, runs in figures.items()
    }
    _print(medians, arguments.rounds)
    if arguments.json:
        record = {"environment": environment(), "rounds": figures}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _print(medians: dict[str, dict[str, float]], rounds: int) -> None:
    ours = medians[OURS]
    table = Table(title=f"three no-op stages; medians of {rounds} rounds")
    for column in ("system", "p50 ms", "p99 ms", "requests/s", "its p50 ÷ ours", "our rate ÷ its"):
        table.add_column(column, justify="left" if column == "system" else "right")
    for name, row in medians.items():
        table.add_row(
            name,
            f"{row['p50_ms']:.2f}",
            f"{row['p99_ms']:.2f}",
            f"{row['rps']:.0f}",
            f"{row['p50_ms'] / ours['p50_ms']:.2f}",
            f"{ours['rps'] / row['rps']:.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
