"""Samples as Parquet. Importing this module needs pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as arrow
from pyarrow import parquet

# Spelled out, because pyarrow cannot infer the type of a column that holds only empty lists or None.
_SPAN = arrow.struct(
    [
        ("stage", arrow.string()),
        ("path", arrow.list_(arrow.int64())),
        ("attempt", arrow.int64()),
        ("replica", arrow.string()),
        ("start_s", arrow.float64()),
        ("queue_s", arrow.float64()),
        ("service_s", arrow.float64()),
        ("busy_s", arrow.float64()),
        ("batch", arrow.int64()),
    ]
)
_SAMPLE = arrow.schema(
    [
        ("trial", arrow.int64()),
        ("number", arrow.int64()),
        ("clip", arrow.string()),
        ("clip_s", arrow.float64()),
        ("warm_up", arrow.bool_()),
        ("scheduled_s", arrow.float64()),
        ("sent_s", arrow.float64()),
        ("first_audio_s", arrow.float64()),
        ("end_s", arrow.float64()),
        ("outcome", arrow.string()),
        ("error", arrow.string()),
        ("retry_after_s", arrow.float64()),
        ("spans", arrow.list_(_SPAN)),
    ]
)


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes samples; each row is a mapping of a sample's fields."""
    parquet.write_table(arrow.Table.from_pylist(rows, schema=_SAMPLE), path, compression="zstd")


def read_rows(path: Path) -> Any:
    """Reads the rows that `write_rows` wrote.

    Raises:
        OSError: the file cannot be read, or is not Parquet.
    """
    try:
        return parquet.read_table(path).to_pylist()
    except arrow.ArrowInvalid as error:
        raise OSError(str(error)) from error
