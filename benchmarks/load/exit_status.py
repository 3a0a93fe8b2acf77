"""The exit status of `relevo load`."""

from __future__ import annotations

from benchmarks.load.run_record import INTERRUPTED, LoadRun

EXIT_FAILED = 1
EXIT_INVALID = 3
EXIT_INTERRUPTED = 130


def exit_status(run: LoadRun) -> int:
    """Returns the exit status for a run; the help of the command lists them."""
    if run.interrupted:
        return EXIT_INTERRUPTED if run.interrupted == INTERRUPTED else EXIT_FAILED
    if run.invalid:
        return EXIT_INVALID
    if run.peak is not None:
        return EXIT_FAILED if run.peak.held is None else 0
    well = all(level.held and level.outcomes.get("ok") for level in run.levels)
    return 0 if well else EXIT_FAILED
