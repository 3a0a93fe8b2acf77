"""Reads a trace of arrivals from a CSV file."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from errors import ConfigError

TIME_COLUMN, CLIP_COLUMN = "at_s", "clip"


def read_trace(path: Path) -> list[tuple[float, str]]:
    """Reads the seconds (from any origin) and the clip's name of every row; the name is empty where none is given.

    The first line names the columns: `at_s` and, if wanted, `clip`; capitals and others beside them do not matter.
    A byte order mark, any kind of line ending, blank lines and blanks around a value are accepted.

    Raises:
        ConfigError: the file cannot be read, has no column `at_s`, no rows, or a time that is no number.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"the trace {path} cannot be read ({error}); pass a CSV file in UTF-8") from error
    lines = [(number, cells) for number, cells in lines if any(cells)]
    columns = [cell.lower() for cell in lines[0][1]] if lines else []
    if TIME_COLUMN not in columns:
        raise ConfigError(
            f"the trace {path} has no column {TIME_COLUMN}, only {', '.join(columns) or 'blank lines'}; "
            "name the columns in its first line, separated by commas"
        )
    if len(lines) == 1:
        raise ConfigError(f"the trace {path} has no rows below its first line; write one for each request")
    time_at = columns.index(TIME_COLUMN)
    clip_at = columns.index(CLIP_COLUMN) if CLIP_COLUMN in columns else None
    return [
        (_seconds(path, number, _cell(cells, time_at)), "" if clip_at is None else _cell(cells, clip_at))
        for number, cells in lines[1:]
    ]


def _cell(cells: list[str], index: int) -> str:
    return cells[index] if index < len(cells) else ""


def _seconds(path: Path, number: int, text: str) -> float:
    try:
        at_s = float(text)
    except ValueError:
        at_s = math.nan
    if not math.isfinite(at_s):
        raise ConfigError(f"the trace {path}, line {number}: {TIME_COLUMN} is {text!r}; write seconds")
    return at_s
