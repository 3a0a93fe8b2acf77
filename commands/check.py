"""`python pipeline.py check`: whether a configuration can run here, and what it comes to."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from commands.options import add_config_options, config_of
from workers.plan import PROCESS_BYTES, StageLayout, make_plan


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "check",
        help="validate a configuration and print the plan",
        description="Validates a configuration, its modules, options and weights, and prints what would be started: "
        "processes, threads, devices and memory. Starts nothing.",
    )
    add_config_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the plan; an error says what does not fit."""
    config = config_of(arguments)
    plan = make_plan(config, arguments.weights)
    table = Table(title=f"{config.name}: {plan.cores} cores, 1 broker, {sum(s.replicas for s in plan.stages)} replicas")
    for column in ("stage", "module", "model", "takes → yields"):
        table.add_column(column)
    for column in ("replicas", "threads each", "memory each, about"):
        table.add_column(column, justify="right")
    table.add_column("devices")
    for stage in plan.stages:
        table.add_row(
            stage.name,
            stage.config.module,
            stage.config.model or "–",
            f"{stage.module.accepts.__name__} → {stage.module.yields.__name__}",
            _replicas(stage),
            str(stage.threads),
            f"{stage.replica_bytes / 2**20:.0f} MiB",
            ", ".join(sorted(set(stage.devices))),
        )
    console = Console()
    console.print(table)
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
