"""What the tuner found, as tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.tune.capacity import Limit, knee
from benchmarks.tune.confirmation import Confirmation
from benchmarks.tune.model.fit import RelayModel
from benchmarks.tune.model.profile import Profile
from benchmarks.tune.search import Candidate

MIB = 2**20
WIDTH = 150
QUIET_CORES = 0.2


def console() -> Console:
    """Standard output, wide enough for the tables when it is no terminal."""
    return Console() if sys.stdout.isatty() else Console(width=WIDTH)


def disturbed(profile: Profile) -> str:
    """A warning when others used the cores while the stages were measured, else nothing."""
    if profile.others_cores <= QUIET_CORES:
        return ""
    return (
        f"warning: other processes kept up to {profile.others_cores:.1f} cores busy during the profile, which makes "
        "the stages look slow; measure on a quiet machine"
    )


def model_table(model: RelayModel) -> Table:
    """What was fitted to each stage."""
    title = "stages alone: seconds a job = (base + slope × cost) × share of its threads"
    table = _table(title, "stage", "base s", "slope s", "fit's error", "threads: share, cores", "in a batch, at best")
    for column in ("busy neighbours", "taking turns", "MiB a replica"):
        table.add_column(column, justify="right")
    for stage in model.stages:
        scaling = "  ".join(f"{k}: {stage.share[k]:.2f}, {stage.cores[k]:.2f}" for k in sorted(stage.share))
        table.add_row(
            stage.name,
            f"{stage.base_s:.3f}",
            f"{stage.slope_s:.4f}",
            f"{stage.error:.0%}",
            f"1 GPU: {1 / stage.gpu_speed:.2f}" if stage.gpu_speed else scaling,
            "  ".join(f"{k}: {floor:.2f}" for k, floor in sorted(stage.batch_floor.items())),
            f"+{stage.neighbours:.0%}",
            f"{stage.turns:+.0%}",
            f"{stage.rss_bytes / MIB:.0f}",
        )
    return table


def ranking_table(ranking: Sequence[Candidate], title: str, most: int = 10) -> Table:
    """The best settings, the one to choose first."""
    table = _table(title, "ratio", "threads", "requests/s", "at saturation", "CPU threads", "GPUs", "memory MiB")
    table.add_column("what binds")
    for candidate in ranking[:most]:
        gpus, threads, memory = candidate.cost
        table.add_row(
            candidate.setting.ratio,
            ",".join(map(str, candidate.setting.threads)),
            f"{candidate.rps:.3f}",
            f"{candidate.saturated_rps:.3f}",
            str(threads),
            str(gpus),
            f"{memory / MIB:.0f}",
            f"{candidate.binding.name}: {candidate.binding.why}",
        )
    return table


def growth_table(path: Sequence[tuple[str, Limit, float]], title: str, *, ended: bool) -> Table:
    """Ratios that grow, with what binds each; `path` has ratio, limit and simulated throughput.

    The knee is shown when the path has `ended`, so that it is known how high it gets.
    """
    table = _table(title, "ratio", "limit requests/s", "simulated", "gain", "")
    table.add_column("what binds")
    rates = [simulated for _, _, simulated in path]
    for index, (ratio, limit, simulated) in enumerate(path):
        gain = f"{rates[index] / rates[index - 1] - 1:+.0%}" if index else ""
        mark = "← knee" if ended and index == knee(rates) else ""
        table.add_row(ratio, f"{limit.rps:.3f}", f"{simulated:.3f}", gain, mark, f"{limit.name}: {limit.why}")
    return table


def compared_table(found: Sequence[Confirmation], title: str) -> Table:
    """Predicted beside measured."""
    table = _table(title, "ratio", "threads", "predicted requests/s", "measured", "error")
    for column in ("predicted p95 s", "measured p95 s", "of the CPU-bound limit"):
        table.add_column(column, justify="right")
    for compared in found:
        table.add_row(
            compared.setting.ratio,
            ",".join(map(str, compared.setting.threads)),
            f"{compared.predicted.rps:.3f}",
            f"{compared.measured.rps:.3f}",
            f"{compared.error:+.1%}",
            f"{compared.predicted.p95_s:.2f}",
            f"{compared.measured.p95_s:.2f}",
            f"{compared.measured.cpu_share:.0%}",
        )
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title)
    table.add_column(first)
    for column in others:
        table.add_column(column, justify="right")
    return table
