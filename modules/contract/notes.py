"""Remarks that travel with a payload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader of the result must know, so that no text is ever lost in silence.

    ``truncated``: the output stopped at a length limit. ``unspoken``: part of the text has no sound in the
    voice's language and was left out. ``respelled``: part of the text was rewritten so that it could be spoken.
    ``second_pass``: the model distrusted its first answer and was run again in full.
    """

    kind: Literal["truncated", "unspoken", "respelled", "second_pass"]
    detail: str
