"""What is the same for every Whisper, whatever runs it: the task, the languages, and when not to believe it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modules.contract.payloads import Note, Text
from modules.tasks.hypothesis import Hypothesis, Thresholds
from modules.tasks.recognition import Segment, SegmentOptions


class WhisperOptions(SegmentOptions):
    """Options of every Whisper."""

    language: str = Field(
        "es",
        pattern="^[a-z]{2,3}$",
        description="Whisper's code of the language spoken; with the task transcribe, of the language to write, which "
        "may be another one than that spoken: zh on Spanish speech translates it into Chinese, less well than into "
        "English, for which Whisper was trained",
    )
    task: Literal["translate", "transcribe"] = Field(
        "translate", description="translate: write English; transcribe: write the language"
    )
    min_log_probability: float = Field(-1.3, le=0, description="a reading with a lower mean per token is doubted")
    max_compression_ratio: float = Field(2.4, gt=1, description="a reading that repeats itself more is doubted")
    max_no_speech: float = Field(0.6, ge=0, le=1, description="a reading of what is more probably silence is doubted")

    @property
    def written_language(self) -> str:
        """The language of the text that is written."""
        return "en" if self.task == "translate" else self.language

    @property
    def thresholds(self) -> Thresholds:
        """When a reading is doubted."""
        return Thresholds(self.min_log_probability, self.max_compression_ratio, self.max_no_speech)

    def text(self, reading: Hypothesis, notes: tuple[Note, ...], segment: Segment) -> Text | None:
        """What the relay hears of ``segment``; None when the reading is silence by its own scores, or has no letter."""
        if reading.is_silence(self.thresholds) or not any(map(str.isalnum, reading.text)):
            return None
        return Text(reading.text, self.written_language, segment.start_s, segment.end_s, segment.notes + notes)
