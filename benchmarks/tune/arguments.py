"""The arguments of `relevo tune`, and its help."""

from __future__ import annotations

import argparse
from pathlib import Path

DEFAULT_CONFIG = "pipelines/offline.yaml"

DESCRIPTION = """\
Finds the ratio of replicas, and the threads of each, for a machine and a load.

It measures each stage alone on recordings, simulates every ratio × threads that fits the machine, runs the best for
real, prints predicted against measured, and writes the winner as a configuration.

Without --slo it tunes for throughput at saturation, with --slo for the highest rate that holds the objective. With
--rate, whatever reaches that rate is equal, and the cheapest wins: fewer GPUs, then fewer threads, then less memory.
Settings within 1 % of each other are equal too. Of the settings run for real the one with the highest throughput is
written, unless --slo or --rate asks for more than these runs show.

No rate exceeds what the setting carries at saturation: a simulation of limited length may hold an objective above
that, but the queue would grow without end.
"""
EPILOG = """\
examples:
  Tune for throughput, keep the profile, and write the winner:
    relevo tune samples/0[1-5]*.flac --profile profile.json --write tuned.yaml
  Tune for an objective under Poisson arrivals, from the same profile:
    relevo tune samples/0[1-5]*.flac --profile profile.json --slo p95=60s
  Plan for another machine: nothing is run, and the answer says so:
    relevo tune --profile profile.json --plan cores=64,gpus=4 --gpu-speed speak=20
  The ratios that the published stage times of an earlier project ("the seed") allow:
    relevo tune --seed-times benchmarks/seed_times.json

exit status:
  0    tuned
  1    a stage could not be measured, or a real run failed
  2    wrong usage or configuration
  130  interrupted
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="recordings like those to be served")
    relay = parser.add_argument_group("relay")
    relay.add_argument("--config", type=Path, metavar="FILE", help=f"configuration (default: {DEFAULT_CONFIG})")
    relay.add_argument(
        "--set",
        action="append",
        default=[],
        dest="assignments",
        metavar="KEY=VALUE",
        help="change any key of the configuration; may be repeated",
    )
    relay.add_argument(
        "--profile", type=Path, metavar="FILE", help="use this profile; when there is none, measure and write it"
    )
    relay.add_argument(
        "--repeats", type=int, default=1, metavar="N", help="measurements of each recording (default: 1)"
    )
    load = parser.add_argument_group("load")
    load.add_argument("--slo", metavar="pNN=TIME", help="objective, such as p95=4s, or ttfa:p50=1.5s")
    load.add_argument(
        "--rate", type=float, metavar="R", help="requests per second to reach; the cheapest setting that does wins"
    )
    load.add_argument(
        "--arrivals", default="poisson", metavar="KIND", help="poisson, constant or burst[:SIZE] (default: poisson)"
    )
    load.add_argument(
        "--requests", type=int, default=300, metavar="N", help="requests of a simulation, at least (default: 300)"
    )
    load.add_argument("--seed", type=int, default=0, metavar="N", help="of every random draw (default: 0)")
    machine = parser.add_argument_group("machine")
    machine.add_argument(
        "--threads", nargs="+", type=int, metavar="K", help="threads of a replica to try (default: 1, and all cores)"
    )
    machine.add_argument("--memory-gb", type=float, metavar="N", help="memory to stay within (default: all of it)")
    machine.add_argument("--plan", metavar="cores=N,gpus=N,memory_gb=N", help="plan for another machine than this one")
    machine.add_argument(
        "--gpu-speed",
        action="append",
        default=[],
        metavar="STAGE=X",
        help="with --plan: assume that this stage runs on GPUs, X times as fast as on one thread here; may be repeated",
    )
    answer = parser.add_argument_group("answer")
    answer.add_argument("--confirm", type=int, default=3, metavar="N", help="settings to run for real (default: 3)")
    answer.add_argument(
        "--confirm-requests",
        type=int,
        default=24,
        metavar="N",
        help="requests of a real run that count (default: 24); others fill the queues before them and keep them full",
    )
    answer.add_argument("--write", type=Path, metavar="FILE", help="write the winner as a configuration")
    answer.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    answer.add_argument(
        "--seed-times", type=Path, metavar="FILE", help="published stage times instead of a profile; only simulates"
    )
