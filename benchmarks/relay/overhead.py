"""Measures what the relay itself costs: three no-op stages, beside other ways to join three stages.

    python -m benchmarks.relay.overhead [--rounds 3]

Every system gets the same payloads and the same load (benchmarks/peers/transports/drive.py). The systems are run in
turn, so that a drift of the machine's speed meets all of them. None of them makes batches, but for a second row of
ours. The two bare ones track nothing: the chain shows what ZeroMQ costs, the star what a broker in the middle costs by
its place alone. Prints a table of medians. mosec is left out unless `make peers` installed it.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import subprocess
import sys

from benchmarks.common.command_line import add_json, add_rounds, measurement_parser, run_measurement
from benchmarks.common.output import figures_table, progress, show, write_record
from checkout import ROOT
from errors import MeasurementError

OURS = "relevo"
SYSTEMS = {  # a row of the table, and the arguments of benchmarks.peers.transports
    OURS: ["relevo"],
    "relevo, batches of up to 4": ["relevo", "--max-batch", "4"],
    "bare ZeroMQ chain": ["bare-chain"],
    "bare ZeroMQ star": ["bare-star"],
    "multiprocessing queues": ["queues"],
    "Manager queues": ["manager-queues"],
    "mosec": ["mosec"],
}
TIMEOUT_S = 300


def measure(arguments: list[str]) -> dict[str, float]:
    """Runs one system in a process of its own and returns its figures.

    Raises:
        MeasurementError: it failed or took too long.
    """
    command = [sys.executable, "-m", "benchmarks.peers.transports", *arguments]
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"{' '.join(arguments)} had not ended after {TIMEOUT_S} s; run it by itself") from error
    if done.returncode:
        raise MeasurementError(f"{' '.join(arguments)} exited with {done.returncode}; its standard error says why")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> int:
    """Runs every system in turn and prints the medians beside ours."""
    parser = measurement_parser(__doc__)
    add_rounds(parser, default=3)
    add_json(parser)
    arguments = parser.parse_args()
    systems = dict(SYSTEMS)
    if importlib.util.find_spec("mosec") is None:
        del systems["mosec"]
        print("relevo: mosec is left out, because it is not installed; run `make peers`", file=sys.stderr)
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in systems}
    with progress() as bar:
        task = bar.add_task("systems", total=arguments.rounds * len(systems))
        for _ in range(arguments.rounds):
            for name, system in systems.items():
                bar.update(task, description=name)
                figures[name].append(measure(system))
                bar.advance(task)
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in ("p50_ms", "p99_ms", "rps")}
        for name, runs in figures.items()
    }
    ours = medians[OURS]
    table = figures_table(
        f"three no-op stages; medians of {arguments.rounds} rounds",
        *("system", "p50 ms", "p99 ms", "requests/s", "its p50 ÷ ours", "our rate ÷ its"),
    )
    for name, row in medians.items():
        table.add_row(
            name,
            f"{row['p50_ms']:.2f}",
            f"{row['p99_ms']:.2f}",
            f"{row['rps']:.0f}",
            f"{row['p50_ms'] / ours['p50_ms']:.2f}",
            f"{ours['rps'] / row['rps']:.2f}",
        )
    show(table)
    write_record(arguments.json, {"rounds": figures})
    return 0


if __name__ == "__main__":
    run_measurement(main)
