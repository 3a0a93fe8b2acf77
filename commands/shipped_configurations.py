"""The configurations that come with the checkout, as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from checkout import ROOT


def shipped_configurations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the name and the content of each, config.yaml first."""
    for file in [ROOT / "config.yaml", *sorted((ROOT / "pipelines").glob("*.yaml"))]:
        yield file.stem, yaml.safe_load(file.read_text("utf-8"))
