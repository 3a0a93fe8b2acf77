"""Numbers as the terminal and the report show them."""

from __future__ import annotations

_UNITS = ((365.25 * 86400, "years"), (86400, "days"), (3600, "h"), (60, "min"))


def number_text(value: float | None) -> str:
    """Formats three significant digits, without an exponent for large numbers; None is –."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def seconds_text(seconds: float) -> str:
    """Formats a latency in ms or s."""
    return f"{number_text(seconds * 1000)} ms" if seconds < 0.1 else f"{number_text(seconds)} s"


def duration_text(seconds: float) -> str:
    """Formats a long time in the largest unit that makes it 2 or more: ``90 s``, ``45 min``, ``3.5 days``."""
    for length_s, unit in _UNITS:
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.3g} {unit}"
    return f"{seconds:.3g} s"


def count_text(count: int, noun: str) -> str:
    """Formats a count with its noun, such as ``1 replica`` or ``2 replicas``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
