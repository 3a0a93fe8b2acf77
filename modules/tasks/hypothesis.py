"""What a speech recogniser proposes as the text of a segment, and whether its own scores can be trusted.

The three scores and their thresholds are Whisper's (Radford et al., 2022, https://arxiv.org/abs/2212.04356, section
4.5). Whisper answers doubt with higher sampling temperatures. Here doubt mostly comes from the shortened window, so the
answer is one more greedy pass over the full window, which keeps results reproducible.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

from modules.contract.payloads import Note


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Limits of trust in a hypothesis.

    Attributes:
        log_probability: least mean log-probability of a token.
        compression_ratio: largest ratio of the text's size to its compressed size, which repetition raises.
        no_speech: largest probability that nobody spoke.
    """

    log_probability: float
    compression_ratio: float
    no_speech: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One proposed text of one segment.

    Attributes:
        text: the text.
        log_probability: mean log-probability of its tokens.
        no_speech: probability that nobody spoke.
        tokens: number of tokens.
        finished: False if decoding stopped at a limit of tokens.
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
        """Lists the reasons not to trust the hypothesis, for the user; empty if there are none."""
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
        """Applies Whisper's rule for silence: speech is improbable, and so are the words."""
        return self.no_speech > limits.no_speech and self.log_probability < limits.log_probability


def accept_or_retry(
    first: Hypothesis, retry: Callable[[], Hypothesis] | None, limits: Thresholds, limit_option: str = "max_tokens"
) -> tuple[Hypothesis, tuple[Note, ...]]:
    """Accepts a hypothesis that can be trusted; otherwise makes a second one and keeps the better.

    Args:
        first: the first hypothesis.
        retry: makes a second, costlier hypothesis; None if the first one was already made in full.
        limits: the limits of trust.
        limit_option: the option that limits the tokens, for the note ``truncated``.

    Returns:
        The hypothesis with fewer doubts, or the likelier of two equals, and its notes: ``second_pass`` if there was a
        second one, ``truncated`` if decoding stopped at the limit of tokens.
    """
    notes = []
    best = first
    doubts = first.doubts(limits)
    if doubts and retry is not None:
        second = retry()
        best = min(first, second, key=lambda each: (len(each.doubts(limits)), -each.log_probability))
        kept = "second" if best is second else "first"
        notes.append(Note("second_pass", f"{'; '.join(doubts)}; kept the {kept} hypothesis"))
    if not best.finished:
        notes.append(Note("truncated", f"recognition stopped at {best.tokens} tokens; raise {limit_option}"))
    return best, tuple(notes)
