"""The answer of a tuning run in sentences, and as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.environment import environment
from benchmarks.tune.confirmation import Confirmation
from benchmarks.tune.model.profile import Profile
from benchmarks.tune.search import Candidate, TuningGoal
from benchmarks.tune.setting import Machine
from errors import ConfigError

QUIET_CORES = 0.2


def busy_machine_warning(profile: Profile) -> str:
    """Returns a warning if other processes used the cores while the stages were measured; otherwise empty."""
    if profile.others_cores <= QUIET_CORES:
        return ""
    return (
        f"warning: other processes kept up to {profile.others_cores:.1f} cores busy while the stages were measured, "
        "which makes the stages look slow; measure on a quiet machine"
    )


def plan_assumptions(machine: Machine, profile: Profile) -> str:
    """Lists what an answer for another machine assumes."""
    return (
        f"Simulated, not measured: {machine.cores} cores and {machine.gpus} GPUs, from a profile made on "
        f"{profile.cores} cores. It assumes cores like those, threads beyond the measured ones by Amdahl's law, and "
        "GPUs as fast as --gpu-speed says. Measure on the machine before you buy it."
    )


def first_choice(best: Candidate, goal: TuningGoal) -> str:
    """Describes the first choice, its limits, and what it cannot reach."""
    setting = best.setting
    sentences = [
        f"first choice: {setting.ratio} with {','.join(map(str, setting.threads))} threads, {best.rps:.3f} requests/s.",
        f"The limit is {best.tightest.name} at {best.tightest.rps:.3f} requests/s ({best.tightest.why})"
        + (f"; after it, {best.limits[1].name} at {best.limits[1].rps:.3f}." if len(best.limits) > 1 else "."),
    ]
    if best.held_beyond_saturation:
        sentences.append(f"No rate exceeds saturation: {capped(best, goal)}.")
    if goal.objective is not None and not best.rps:
        sentences.append(f"No rate holds {goal.objective}: a lone request already takes longer.")
    elif goal.rate is not None and best.rps < goal.rate:
        sentences.append(f"No setting that fits reaches {goal.rate:g} requests/s.")
    return " ".join(sentences)


def capped(candidate: Candidate, goal: TuningGoal) -> str:
    """Explains why a candidate's rate is its saturation although a simulation held a higher one."""
    return (
        f"a simulation of limited length held {goal.objective} at {candidate.held_rps:.3f} requests/s, but above "
        f"{candidate.saturated_rps:.3f} the queue grows without end"
    )


def write_figures(path: Path, ranking: Sequence[Candidate], confirmed: Sequence[Confirmation]) -> None:
    """Writes every figure as JSON.

    Raises:
        ConfigError: the file cannot be written.
    """
    record = {
        "environment": environment(),
        "ranking": [{**dataclasses.asdict(candidate), "rps": candidate.rps} for candidate in ranking],
        "confirmed": [dataclasses.asdict(one) for one in confirmed],
    }
    try:
        path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write --json {path}: {error.strerror}") from error
