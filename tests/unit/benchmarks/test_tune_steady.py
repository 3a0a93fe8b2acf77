"""The steady state of a run at saturation, without its beginning and its end."""

from __future__ import annotations

import pytest

from benchmarks.tune.simulation.steady_state import Mark, run_length, steady_state


def test_the_beginning_and_the_end_do_not_count() -> None:
    callers, counted = 4, 6
    slow_ends = [Mark(10.0, 1.0), Mark(20.0, 2.0)]  # while the queues fill
    middle_ends = [Mark(20.0 + 0.5 * n, 2.0 + 0.4 * n) for n in range(1, counted + 1)]
    last_ends = [Mark(100.0 + n, 5.0) for n in range(callers)]  # while they run empty
    marks = [Mark(0.0, 0.0), *slow_ends, *middle_ends, *last_ends]
    assert len(marks) - 1 == run_length(counted, callers)
    assert steady_state(marks, callers) == pytest.approx((2.0, 0.8))
