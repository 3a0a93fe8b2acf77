"""Relevo's speech stage with the marks that the workers of the other systems leave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from benchmarks.peers.systems.worker_marks import WorkerMarks
from errors import InputError
from modules.contract.module import Compute, Module, Options
from modules.contract.payloads import Audio, Payload, Text
from modules.contract.registry import module_class, module_options


class MarkedSpeechOptions(Options):
    """Options of MarkedSpeech."""

    module: str = Field(description="the speech module, as a configuration names it")
    options: dict[str, Any] = Field(description="its options")
    folder: str = Field(description="folder of the marks")
    depth: int = Field(description="place of the stage in the relay, from 0")


class MarkedSpeech(Module):
    """Text → the audio of another module. Marks when it is ready, and while it works on a batch."""

    accepts, yields, options_type = Text, Audio, MarkedSpeechOptions

    def __init__(self, model: Path | None, options: MarkedSpeechOptions, compute: Compute) -> None:
        """Loads the other module."""
        speech = module_class(options.module)
        self._speech = speech(model, module_options(options.module, options.options), compute)
        self._marks = WorkerMarks(options.folder, options.depth)

    def warm_up(self) -> None:
        """Warms the other module, and then marks itself ready."""
        self._speech.warm_up()
        self._marks.set_ready()

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Yields the outputs of the other module."""
        with self._marks.holding():
            yield from self._speech.process(batch)
