"""What a measurement takes for granted of a relay."""

from __future__ import annotations

from collections.abc import Iterable

from errors import MeasurementError
from workers.client.result import Result


def expect_ok(results: Iterable[Result]) -> None:
    """Refuses to go on with figures of requests that did not end well.

    Raises:
        MeasurementError: a request ended otherwise than `ok`.
    """
    ended = list(results)
    failed = [result for result in ended if result.outcome != "ok"]
    if failed:
        raise MeasurementError(
            f"{len(failed)} of {len(ended)} requests did not end ok, such as: {failed[0].outcome}: {failed[0].error}; "
            "there is nothing to measure until they do"
        )
