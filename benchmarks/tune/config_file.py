"""The winner as a configuration file that stands by itself."""

from __future__ import annotations

from pathlib import Path

import yaml

from benchmarks.tune.search import Candidate
from benchmarks.tune.setting import Machine
from workers.config import PipelineConfig


def write_config(
    path: Path, config: PipelineConfig, best: Candidate, machine: Machine, *, simulated_only: bool
) -> None:
    """Writes the configuration with the winner's ratio, threads and, for a machine elsewhere, cores."""
    chosen = best.setting.applied_to(config, **({"cores": machine.cores} if simulated_only else {}))
    values = chosen.model_dump(mode="json", exclude_defaults=True)
    how = "simulated only, on no machine yet" if simulated_only else "simulated, and run for real on this machine"
    head = (
        f"# Made by `relevo tune` ({how}).\n"
        f"# {best.rps:.3f} requests/s predicted; what binds is {best.binding.name}: {best.binding.why}.\n"
        "# Every key is documented in config.yaml.\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    body = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, default_flow_style=False)
    path.write_text(head + body, encoding="utf-8")
