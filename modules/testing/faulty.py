"""Stand-ins that wait, fail and die on command: they test recovery. Without options they answer at once.

Each answer names the input that it belongs to.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from errors import InputError, MissingWeights
from modules.contract.module import Compute, Options
from modules.contract.payloads import Audio, Payload, Text
from modules.testing.stand_in import StandIn
from modules.weights import locate

SAMPLE_RATE = 16_000
PHRASE_S = 0.5
LOOK_S = 0.01


class FaultyOptions(Options):
    """Options of the faulty stand-ins."""

    pieces: int = Field(1, ge=0, description="outputs for each input")
    silence_s: float = Field(0.0, ge=0, description="seconds of silence before the sound of each answer")
    gate: str | None = Field(None, description="a file; while it exists, the module waits before an output")
    gate_after: int = Field(0, ge=0, description="outputs of an input before it waits at the gate")
    fail_on: str | None = Field(None, description="an input whose text contains this raises an error")
    kill_on: str | None = Field(None, description="an input whose text contains this makes the replica kill itself")
    kill_after: int = Field(0, ge=0, description="outputs of that input before the replica kills itself")
    kill_marker: str | None = Field(
        None, description="a file that the replica creates before it kills itself; where it exists, nothing is killed"
    )
    leak_mb: int = Field(0, ge=0, description="MiB of memory that each input leaves behind")
    fail_load: bool = Field(False, description="loading raises an error")
    crash_load: bool = Field(False, description="loading kills the replica")
    crash_load_if: str | None = Field(None, description="a file; while it exists, loading kills the replica")
    second_model: str | None = Field(None, description="another model to look up, as a voice looks up its vocoder")


class _Faulty(StandIn):
    options_type = FaultyOptions
    options: FaultyOptions

    def __init__(self, model: Path | None, options: FaultyOptions, compute: Compute) -> None:
        """Fails or kills the process where its options say so.

        Raises:
            MissingWeights: `fail_load` is set, or `second_model` is not on this machine.
        """
        super().__init__(model, options, compute)
        if options.fail_load:
            raise MissingWeights("the stand-in has no weights, because fail_load is set; leave it out")
        if options.second_model:
            locate(options.second_model)
        if options.crash_load or (options.crash_load_if and Path(options.crash_load_if).exists()):
            _kill_this_process()
        self._leaked: list[bytes] = []

    def outputs(self, payload: Payload, batch_size: int) -> Iterator[Payload | InputError]:
        """Yields the pieces of the answer, and waits, fails or dies between them where its options say so."""
        options = self.options
        text = payload.text if isinstance(payload, Text) else ""
        if not options.gate_after:
            self._wait_at_gate()
        self._leaked.append(b"x" * (options.leak_mb << 20))
        if options.fail_on and options.fail_on in text:
            raise RuntimeError(f"the stand-in fails on {options.fail_on}")
        for piece in range(options.pieces):
            if piece and piece == options.gate_after:
                self._wait_at_gate()
            if options.kill_on and options.kill_on in text and piece == options.kill_after:
                self._kill_once()
            yield self.answer(payload, piece, batch_size)

    def answer(self, payload: Any, piece: int, batch_size: int) -> Payload | InputError:
        """Returns one piece of the answer to one input."""
        raise NotImplementedError

    def _wait_at_gate(self) -> None:
        while self.options.gate and Path(self.options.gate).exists():
            threading.Event().wait(LOOK_S)

    def _kill_once(self) -> None:
        if self.options.kill_marker:
            marker = Path(self.options.kill_marker)
            if marker.exists():
                return
            marker.touch()
        _kill_this_process()


def _kill_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class FaultyListen(_Faulty):
    """Audio → text such as ``en500.0``: a thousand times the audio's first sample, and the piece."""

    accepts, yields = Audio, Text

    def answer(self, payload: Any, piece: int, batch_size: int) -> Payload | InputError:
        """Returns the text, or an InputError for audio without samples."""
        if len(payload.samples) == 0:
            return InputError("the stand-in hears nothing in an empty clip; send some samples")
        word = round(float(payload.samples[0]) * 1000)
        return Text(f"en{word}.{piece}", "en", payload.start_s, payload.end_s)


class FaultyTranslate(_Faulty):
    """Text → text such as ``zh(en500.0)/2``: the input and the size of its batch."""

    accepts, yields = Text, Text

    def answer(self, payload: Any, piece: int, batch_size: int) -> Payload | InputError:
        """Returns the text."""
        return Text(f"zh({payload.text})/{batch_size}", "zh", payload.start_s, payload.end_s)


class FaultySpeak(_Faulty):
    """Text → half a second of sound at 16 kHz whose level tells the piece."""

    accepts, yields = Text, Audio

    def answer(self, payload: Any, piece: int, batch_size: int) -> Payload | InputError:
        """Returns the sound, after its silence."""
        sound = np.full(round(PHRASE_S * SAMPLE_RATE), 0.1 * (piece + 1), np.float32)
        silence = np.zeros(round(self.options.silence_s * SAMPLE_RATE), np.float32)
        return Audio(np.concatenate([silence, sound]), SAMPLE_RATE, payload.start_s, payload.end_s)
