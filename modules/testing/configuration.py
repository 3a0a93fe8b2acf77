"""Configurations of relays of stand-ins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

from errors import ConfigError

Kind = Literal["noop", "timed", "faulty"]
STAGES = ("listen", "translate", "speak")


def stand_in_stages(
    kind: Kind, keys: Mapping[str, Mapping[str, Any]] | None = None, /, **options: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Makes the stages listen, translate and speak as a configuration has them, of stand-ins with one thread each.

    Args:
        kind: the stand-ins of all three stages.
        keys: other keys of a stage, by its name, such as ``{"speak": {"max_batch": 4}}``.
        options: options of a stage's stand-in, by its name, such as ``speak={"service_s": [0.2]}``.

    Raises:
        ConfigError: there is no stage of that name.
    """
    keys = keys or {}
    if unknown := {*keys, *options} - {*STAGES}:
        raise ConfigError(f"there is no stage {', '.join(sorted(unknown))}; stand-ins have {', '.join(STAGES)}")
    return {
        name: {
            "module": f"modules.testing.{kind}:{kind.title()}{name.title()}",
            "threads": 1,
            "options": dict(options.get(name, {})),
            **keys.get(name, {}),
        }
        for name in STAGES
    }


def write_configuration(path: Path, stages: Mapping[str, Mapping[str, Any]], **keys: Any) -> Path:
    """Writes a relay's configuration as YAML and returns its path.

    Args:
        path: the file to write.
        stages: the stages in their order, such as those of `stand_in_stages`.
        keys: top-level keys of the configuration, such as ``cores=4``.
    """
    path.write_text(yaml.safe_dump({**keys, "stages": dict(stages)}, sort_keys=False, allow_unicode=True), "utf-8")
    return path
