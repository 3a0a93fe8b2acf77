"""The rule by which the load generator's own lateness invalidates a run."""

from __future__ import annotations

TOLERATED_S = 0.002  # a send lag up to here never invalidates a run …
TOLERATED_SHARE = 0.01  # … nor does one up to this share of the median latency
LATE_SHARE = 0.01  # … nor do so few late requests
LAG_RULE = (
    f"a run is invalid when more than {LATE_SHARE:.0%} of its requests were sent later than scheduled by more than "
    f"{TOLERATED_S * 1000:g} ms and by more than {TOLERATED_SHARE:.0%} of the median latency"
)
