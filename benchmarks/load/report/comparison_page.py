"""The page of two runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.load.figures.samples import RequestSample
from benchmarks.load.report import distribution
from benchmarks.load.report.plot_style import ACCENT, ALARM, save, styled
from benchmarks.load.report.templates import render
from benchmarks.load.run_comparison import LevelPair, RunOnDisk, verdict
from errors import ConfigError

PAGE = "compare.html"


def write_comparison(folder: Path, before: RunOnDisk, after: RunOnDisk, pairs: Sequence[LevelPair]) -> Path:
    """Writes the page and its plots, and returns the page's path.

    Raises:
        ConfigError: a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with styled():
            plots = [
                save(
                    distribution.plot(_overlaid(before, after, pair), (ALARM, ACCENT)), folder / f"compare-{number}.png"
                )
                for number, pair in enumerate(pairs, start=1)
            ]
        pairs_with_plots = list(zip(pairs, plots, strict=True))
        page = render("compare.html.j2", before=before.run, after=after.run, pairs=pairs_with_plots, verdict=verdict)
        (folder / PAGE).write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write the comparison to {folder}: {error.strerror}") from error
    return folder / PAGE


def _overlaid(before: RunOnDisk, after: RunOnDisk, pair: LevelPair) -> dict[str, list[RequestSample]]:
    return {f"first: {before.run.title}": pair.before_samples, f"second: {after.run.title}": pair.after_samples}
