"""The output of a measurement: progress on standard error, figures on standard output or in a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.common.environment import environment, environment_line

WIDTH = 150  # where standard output is no terminal


def progress() -> Progress:
    """Makes a progress bar on standard error that goes away when it is done."""
    return Progress(console=Console(stderr=True), transient=True)


def figures_table(title: str, *columns: str, texts: int = 1) -> Table:
    """Makes a table whose first `texts` columns hold text and whose others hold figures."""
    table = Table(title=title)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < texts else "right")
    return table


def show(*tables: Table) -> None:
    """Prints tables, and under them what they were measured on."""
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    for table in tables:
        console.print(table)
    console.print(environment_line(), style="dim", soft_wrap=True)


def print_record(figures: Mapping[str, Any]) -> None:
    """Prints figures and environment as one line of JSON."""
    print(json.dumps({"environment": environment(), **figures}, ensure_ascii=False))


def write_record(file: Path | None, figures: Mapping[str, Any]) -> None:
    """Writes figures and environment as JSON; without a file it does nothing."""
    if file is not None:
        record = {"environment": environment(), **figures}
        file.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
