"""The module that a stage's replicas load, as the broker sends it to each of them."""

from __future__ import annotations

from typing import Any

import msgspec


class ModuleSpec(msgspec.Struct, frozen=True):
    """A module by its name in the configuration, its model and options, and the seed of its random choices."""

    module: str
    model: str | None
    options: dict[str, Any]
    seed: int
