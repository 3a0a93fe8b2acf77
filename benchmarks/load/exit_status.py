"""The exit status of `relevo load`.

0    all objectives were held
1    an objective was missed, no request ended well, or the relay failed
2    wrong usage or configuration (`pipeline.py` sets it)
3    the run is invalid: the load generator could not keep its schedule
130  interrupted
"""

from __future__ import annotations

from benchmarks.load.run_record import INTERRUPTED, LoadRun

EXIT_FAILED = 1
EXIT_INVALID = 3
EXIT_INTERRUPTED = 130


def exit_status(run: LoadRun) -> int:
    """Returns the exit status for a run."""
    if run.interrupted:
        return EXIT_INTERRUPTED if run.interrupted == INTERRUPTED else EXIT_FAILED
    if run.invalid:
        return EXIT_INVALID
    if run.peak is not None:
        return EXIT_FAILED if run.peak.held is None else 0
    well = all(level.held and level.outcomes.get("ok") for level in run.levels)
    return 0 if well else EXIT_FAILED
