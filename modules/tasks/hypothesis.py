"""What a speech recogniser heard, whether its own scores can be trusted, and what to do when they cannot.

The three scores and their thresholds are Whisper's (Radford et al., 2022, https://arxiv.org/abs/2212.04356, section
4.5). Whisper answers doubt with higher sampling temperatures; here the doubt is mostly about the shortened window, so
the answer is one more greedy pass over the full one, which keeps results reproducible.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

from modules.contract.payloads import Note


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Limits of trust: least mean log-probability of a token, most repetition, most probability of silence."""

    log_probability: float
    compression_ratio: float
    no_speech: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One reading of one segment.

    ``log_probability`` is the mean over tokens, ``no_speech`` the probability that nobody spoke, and ``finished``
    is False when the reading stopped at the limit of ``tokens``.
    """

    text: str
    log_probability: float
    no_speech: float
    tokens: int
    finished: bool

    @property
    def compression_ratio(self) -> float:
        """Size before over size after deflate; a loop of repeated words is far above 2."""
        raw = self.text.encode()
        return len(raw) / len(zlib.compress(raw))

    def doubts(self, limits: Thresholds) -> list[str]:
        """Reasons not to trust this reading, fit to be shown; empty when there are none."""
        doubts = []
        if self.log_probability < limits.log_probability:
            doubts.append(f"log-probability {self.log_probability:.2f} is below {limits.log_probability:g}")
        if self.compression_ratio > limits.compression_ratio:
            doubts.append(f"compression ratio {self.compression_ratio:.1f} is above {limits.compression_ratio:g}")
        if self.no_speech > limits.no_speech:
            doubts.append(f"probability of silence {self.no_speech:.2f} is above {limits.no_speech:g}")
        if not self.finished:
            doubts.append(f"no end within {self.tokens} tokens")
        return doubts

    def is_silence(self, limits: Thresholds) -> bool:
        """Whether the recogniser itself says that it made the words up: Whisper's rule for silence."""
        return self.no_speech > limits.no_speech and self.log_probability < limits.log_probability


def accept_or_retry(
    first: Hypothesis, again: Callable[[], Hypothesis] | None, limits: Thresholds, limit_option: str = "max_tokens"
) -> tuple[Hypothesis, tuple[Note, ...]]:
    """Decides on a reading.

    Args:
        first: the first reading.
        again: makes a second, costlier reading; None when the first was already made in full.
        limits: what to trust.
        limit_option: the option that bounds a reading's tokens, for the note ``truncated``.

    Returns:
        The reading with fewer doubts, or the likelier of two equals, and what a reader must know of it.
    """
    notes = []
    best = first
    doubts = first.doubts(limits)
    if doubts and again is not None:
        second = again()
        best = min(first, second, key=lambda reading: (len(reading.doubts(limits)), -reading.log_probability))
        kept = "second" if best is second else "first"
        notes.append(Note("second_pass", f"{'; '.join(doubts)}; kept the {kept} reading"))
    if not best.finished:
        notes.append(Note("truncated", f"recognition stopped at {best.tokens} tokens; raise {limit_option}"))
    return best, tuple(notes)
