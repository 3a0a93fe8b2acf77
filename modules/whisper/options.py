"""Options that every Whisper shares, whatever library runs it: the task, the languages, and the limits of trust."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modules.tasks.hypothesis import Thresholds
from modules.tasks.recognition import SegmentOptions


class WhisperOptions(SegmentOptions):
    """Options of every Whisper."""

    language: str = Field(
        "es",
        pattern="^[a-z]{2,3}$",
        description="Whisper's code of the language spoken. With the task transcribe it is the language to write, "
        "which may be another than the one spoken: zh on Spanish speech translates it into Chinese, less well than "
        "into English, for which Whisper was trained",
    )
    task: Literal["translate", "transcribe"] = Field(
        "translate", description="translate: write English; transcribe: write the language"
    )
    min_log_probability: float = Field(
        -1.3, le=0, description="lowest mean log probability of the tokens; a text below it is doubted"
    )
    max_compression_ratio: float = Field(2.4, gt=1, description="highest compression ratio; a text above it is doubted")
    max_no_speech: float = Field(0.6, ge=0, le=1, description="highest chance of silence; a text above it is doubted")

    @property
    def written_language(self) -> str:
        """The language of the texts."""
        return "en" if self.task == "translate" else self.language

    @property
    def thresholds(self) -> Thresholds:
        """The limits of trust in a hypothesis."""
        return Thresholds(self.min_log_probability, self.max_compression_ratio, self.max_no_speech)
