"""The tables of a tuning run."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.tune.capacity import Limit, knee
from benchmarks.tune.confirmation import Confirmation
from benchmarks.tune.model.fit import RelayModel
from benchmarks.tune.search import Candidate
from commands.tables import SafeConsole, TableColumn, print_table

MIB = 2**20
MOST_ROWS = 10  # of the ranking


def print_model(model: RelayModel) -> None:
    """Prints what was fitted to each stage."""
    print_table(
        SafeConsole(),
        (
            TableColumn("stage", "name"),
            TableColumn("base s", "number"),
            TableColumn("slope s", "number"),
            TableColumn("fit's error", "number"),
            TableColumn("threads: share, cores", "number"),
            TableColumn("in a batch, at best", "number"),
            TableColumn("busy neighbours", "number"),
            TableColumn("taking turns", "number"),
            TableColumn("MiB a replica", "number"),
        ),
        [
            (
                stage.name,
                f"{stage.base_s:.3f}",
                f"{stage.slope_s:.4f}",
                f"{stage.error:.0%}",
                f"1 GPU: {1 / stage.gpu_speed:.2f}"
                if stage.gpu_speed
                else "  ".join(f"{k}: {stage.share[k]:.2f}, {stage.cores[k]:.2f}" for k in sorted(stage.share)),
                "  ".join(f"{k}: {floor:.2f}" for k, floor in sorted(stage.batch_floor.items())),
                f"+{stage.neighbours:.0%}",
                f"{stage.turns:+.0%}",
                f"{stage.rss_bytes / MIB:.0f}",
            )
            for stage in model.stages
        ],
        title="stages alone: seconds a job = (base + slope × cost) × share of its threads",
    )


def print_ranking(ranking: Sequence[Candidate], title: str) -> None:
    """Prints the best settings, the first choice first."""
    print_table(
        SafeConsole(),
        (
            TableColumn("ratio", "name"),
            TableColumn("threads", "number"),
            TableColumn("requests/s", "number"),
            TableColumn("at saturation", "number"),
            TableColumn("CPU threads", "number"),
            TableColumn("GPUs", "number"),
            TableColumn("memory MiB", "number"),
            TableColumn("limit"),
        ),
        [
            (
                candidate.setting.ratio,
                ",".join(map(str, candidate.setting.threads)),
                f"{candidate.rps:.3f}",
                f"{candidate.saturated_rps:.3f}",
                str(candidate.cost[1]),
                str(candidate.cost[0]),
                f"{candidate.cost[2] / MIB:.0f}",
                f"{candidate.tightest.name}: {candidate.tightest.why}",
            )
            for candidate in ranking[:MOST_ROWS]
        ],
        title=title,
    )


def print_growth(path: Sequence[tuple[str, Limit, float]], title: str, *, ended: bool) -> None:
    """Prints ratios that grow by one replica, with the limit of each.

    Args:
        path: ratio, limit and simulated requests per second.
        title: of the table.
        ended: whether the path grew as far as it can; only then is its knee known.
    """
    rates = [simulated for _, _, simulated in path]
    print_table(
        SafeConsole(),
        (
            TableColumn("ratio", "name"),
            TableColumn("limit requests/s", "number"),
            TableColumn("simulated", "number"),
            TableColumn("gain", "number"),
            TableColumn("", "name"),
            TableColumn("limit"),
        ),
        [
            (
                ratio,
                f"{limit.rps:.3f}",
                f"{simulated:.3f}",
                f"{rates[index] / rates[index - 1] - 1:+.0%}" if index else "",
                "← knee" if ended and index == knee(rates) else "",
                f"{limit.name}: {limit.why}",
            )
            for index, (ratio, limit, simulated) in enumerate(path)
        ],
        title=title,
    )


def print_confirmations(confirmed: Sequence[Confirmation], title: str) -> None:
    """Prints predicted beside measured."""
    print_table(
        SafeConsole(),
        (
            TableColumn("ratio", "name"),
            TableColumn("threads", "number"),
            TableColumn("predicted requests/s", "number"),
            TableColumn("measured", "number"),
            TableColumn("error", "number"),
            TableColumn("predicted p95 s", "number"),
            TableColumn("measured p95 s", "number"),
            TableColumn("of the CPU-bound limit", "number"),
        ),
        [
            (
                one.setting.ratio,
                ",".join(map(str, one.setting.threads)),
                f"{one.predicted.rps:.3f}",
                f"{one.measured.rps:.3f}",
                f"{one.error:+.1%}",
                f"{one.predicted.p95_s:.2f}",
                f"{one.measured.p95_s:.2f}",
                f"{one.measured.cpu_share:.0%}",
            )
            for one in confirmed
        ],
        title=title,
    )
