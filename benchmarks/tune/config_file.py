"""Writes the chosen setting as a configuration file that stands by itself."""

from __future__ import annotations

from pathlib import Path

import yaml

from benchmarks.tune.search import Candidate
from benchmarks.tune.setting import Machine
from errors import ConfigError
from workers.config import PipelineConfig


def write_config(
    path: Path, config: PipelineConfig, best: Candidate, machine: Machine, *, simulated_only: bool
) -> None:
    """Writes the configuration with the chosen ratio and threads and, for another machine, its cores.

    Raises:
        ConfigError: the file cannot be written.
    """
    chosen = best.setting.applied_to(config, **({"cores": machine.cores} if simulated_only else {}))
    values = chosen.model_dump(mode="json", exclude_defaults=True)
    how = "simulated only, on no machine yet" if simulated_only else "simulated, and run for real on this machine"
    head = (
        f"# Made by `relevo tune` ({how}).\n"
        f"# {best.rps:.3f} requests/s predicted; the limit is {best.tightest.name}: {best.tightest.why}.\n"
        "# Every key is documented in config.yaml.\n"
    )
    body = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, default_flow_style=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + body, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write --write {path}: {error.strerror}") from error
