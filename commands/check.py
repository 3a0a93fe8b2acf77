"""`relevo check`: tells whether a configuration can run here, and what it comes to."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from commands.options import add_config_options, config_of

if TYPE_CHECKING:
    from workers.plan import StageLayout

EXAMPLES = """\
examples:
  relevo check                                              config.yaml of the checkout
  relevo check --config pipelines/offline.yaml --ratio 1:1:2
  relevo check --config mine.yaml --set stages.speak.threads=2"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "check",
        help="validate a configuration and print the plan",
        description="Validates a configuration, its modules, options and weights, and prints what would be started: "
        "processes, threads, devices and memory. Starts nothing.",
        epilog=EXAMPLES,
    )
    add_config_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the plan, or raises an error that says what does not fit."""
    from commands.tables import SafeConsole, TableColumn, print_table
    from workers.plan import PROCESS_BYTES, make_plan

    config = config_of(arguments)
    plan = make_plan(config, arguments.weights)
    console = SafeConsole()
    print_table(
        console,
        [
            TableColumn("stage", "name"),
            TableColumn("module"),
            TableColumn("model"),
            TableColumn("takes → yields"),
            TableColumn("replicas", "number"),
            TableColumn("threads each", "number"),
            TableColumn("memory each, about", "number"),
            TableColumn("devices"),
        ],
        [
            (
                stage.name,
                stage.config.module,
                stage.config.model or "–",
                f"{stage.module.accepts.__name__} → {stage.module.yields.__name__}",
                _replicas(stage),
                str(stage.threads),
                f"{stage.replica_bytes / 2**20:.0f} MiB",
                ", ".join(sorted(set(stage.devices))),
            )
            for stage in plan.stages
        ],
        title=f"{config.name}: {plan.cores} cores, 1 broker, {sum(stage.replicas for stage in plan.stages)} replicas",
    )
    console.print(
        f"memory of all replicas: about {plan.memory_bytes / 2**20:.0f} MiB "
        f"(model files + {PROCESS_BYTES / 2**20:.0f} MiB a process)"
    )
    for stage in plan.stages:
        if stage.config.python is not None:
            console.print(f"{stage.name} runs on {stage.config.python}")
        if not stage.replicas:
            console.print(f"{stage.name} waits for replicas that dial in at {config.listen_replicas}")
    for warning in plan.warnings:
        console.print(f"warning: {warning}")
    return 0


def _replicas(stage: StageLayout) -> str:
    bounds = stage.config.autoscale
    return f"{stage.replicas}, {bounds.min} to {bounds.max} by load" if bounds else str(stage.replicas)
