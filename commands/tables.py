"""Tables that cut nothing on a narrow terminal, and the one kind of console that commands print to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text as Line

from commands.output import printable

UNLIMITED = 10_000  # columns of an output that is not a terminal
LEAST_TEXT = 16  # columns that are left to a text at least, before the table becomes lines
BORDERS = 3  # columns that a table adds to each of its own


class SafeConsole(Console):
    """A console for texts from elsewhere: nothing in them is markup, the name of an emoji or a control character.

    Without a terminal and without COLUMNS, its lines are as long as they come, so that programs can read them.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = UNLIMITED

    def render_str(self, text: str, **options: Any) -> Line:
        """Renders a text, every line of it made printable."""
        return super().render_str("\n".join(map(printable, text.split("\n"))), **options)


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column. A text may be folded; a name and a number stay whole, and numbers are aligned to the right."""

    header: str
    kind: Literal["text", "name", "number"] = "text"


def print_table(
    console: Console, columns: Sequence[TableColumn], rows: Iterable[Sequence[str]], *, title: str | None = None
) -> None:
    """Prints a table, or one line a cell where the console is too narrow for the names and numbers."""
    rows = list(rows)
    if _least_width(columns, rows) > console.width:
        _print_lines(console, columns, rows, title)
        return
    table = Table(title=title)
    for column in columns:
        table.add_column(
            column.header,
            justify="right" if column.kind == "number" else "left",
            no_wrap=column.kind != "text",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _least_width(columns: Sequence[TableColumn], rows: Sequence[Sequence[str]]) -> int:
    width = 1
    for column, cells in zip(columns, zip(*rows, strict=True), strict=True) if rows else ():
        longest = max(map(cell_len, (column.header, *cells)))
        width += BORDERS + (min(longest, LEAST_TEXT) if column.kind == "text" else longest)
    return width


def _print_lines(
    console: Console, columns: Sequence[TableColumn], rows: Sequence[Sequence[str]], title: str | None
) -> None:
    if title is not None:
        console.print(title, style="italic", overflow="fold")
    first, *others = columns
    for name, *cells in rows:
        console.print(f"{first.header} {name}", style="bold", overflow="fold")
        for column, cell in zip(others, cells, strict=True):
            console.print(f"  {column.header}: {cell}", overflow="fold")
