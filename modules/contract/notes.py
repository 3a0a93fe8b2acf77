"""Notes: remarks that travel with a payload to the end of the relay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a reader of the result must know, so that no text is lost silently.

    Attributes:
        kind: ``truncated``: the output stopped at a limit of length. ``unspoken``: part of the text has no sound in
            the voice's language and was left out. ``respelled``: part of the text was rewritten so that it can be
            spoken. ``second_pass``: the first answer of the model was doubtful, and it was run again.
        detail: which part of the text, and why; for the user.
    """

    kind: Literal["truncated", "unspoken", "respelled", "second_pass"]
    detail: str
