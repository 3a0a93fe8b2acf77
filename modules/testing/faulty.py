"""Modules that stand in for models, so that the machinery is tested with real processes and sockets but no weights."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from errors import InputError, MissingWeights
from modules.contract.module import Compute, Module, Options
from modules.contract.payloads import Audio, Payload, Text
from modules.weights import locate


class FakeOptions(Options):
    """What a fake is asked to do."""

    pieces: int = 1  # outputs for each input
    gate: str | None = None  # a file; while it exists, `process` waits for its end …
    gate_after: int = 0  # … after so many outputs
    kill_on: str | None = None  # a word in the text that makes the replica kill itself …
    kill_marker: str | None = None  # … unless this file is there already (so: once)
    kill_after: int = 0  # … after so many outputs
    fail_on: str | None = None  # a word in the text that raises
    fail_load: bool = False
    second_model: str | None = None  # found as a vocoder is that the options name
    crash_load: bool = False
    crash_load_if: str | None = None  # a file; while it exists, loading kills the replica
    silence_s: float = 0.0  # before the sound of each answer
    hoard_mb: int = 0  # memory that each input leaves behind


class _Fake(Module):
    options_type = FakeOptions

    def __init__(self, model: Path | None, options: Any, compute: Compute) -> None:
        if options.fail_load:
            raise MissingWeights("the fake has no weights; run nothing")
        if options.second_model:
            locate(options.second_model)
        if options.crash_load or (options.crash_load_if and Path(options.crash_load_if).exists()):
            os.kill(os.getpid(), signal.SIGKILL)
        self.options, self.compute = options, compute
        self.hoard: list[bytes] = []

    def warm_up(self) -> None:
        pass

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        if not self.options.gate_after:
            self._wait_at_gate()
        for position, payload in enumerate(batch):
            self.hoard.append(b"x" * (self.options.hoard_mb << 20))
            text = payload.text if isinstance(payload, Text) else ""
            if self.options.fail_on and self.options.fail_on in text:
                raise RuntimeError(f"the fake fails on {self.options.fail_on}")
            for piece in range(self.options.pieces):
                if piece and piece == self.options.gate_after:
                    self._wait_at_gate()
                if self.options.kill_on and self.options.kill_on in text and piece == self.options.kill_after:
                    self._kill_once()
                yield position, self.answer(payload, piece, len(batch))

    def _wait_at_gate(self) -> None:
        while self.options.gate and Path(self.options.gate).exists():
            threading.Event().wait(0.01)

    def _kill_once(self) -> None:
        if self.options.kill_marker:
            marker = Path(self.options.kill_marker)
            if marker.exists():
                return
            marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)

    def answer(self, payload: Any, piece: int, batch: int) -> Payload | InputError:
        raise NotImplementedError


class FakeListen(_Fake):
    """Audio → text that names the audio's first sample and the piece."""

    accepts = Audio
    yields = Text

    def answer(self, payload: Any, piece: int, batch: int) -> Payload | InputError:
        if len(payload.samples) == 0:
            return InputError("the fake hears nothing in an empty clip; send some samples")
        word = round(float(payload.samples[0]) * 1000)
        return Text(f"en{word}.{piece}", "en", payload.start_s, payload.end_s)


class FakeTranslate(_Fake):
    """Text → the same text marked as translated, with the size of its batch."""

    accepts = Text
    yields = Text

    def answer(self, payload: Any, piece: int, batch: int) -> Payload | InputError:
        return Text(f"zh({payload.text})/{batch}", "zh", payload.start_s, payload.end_s)


class FakeSpeak(_Fake):
    """Text → half a second of sound whose level tells the piece."""

    accepts = Text
    yields = Audio

    def answer(self, payload: Any, piece: int, batch: int) -> Payload | InputError:
        samples = np.full(8000, 0.1 * (piece + 1), np.float32)
        samples = np.concatenate([np.zeros(round(16000 * self.options.silence_s), np.float32), samples])
        return Audio(samples, 16000, payload.start_s, payload.end_s)


class FakeBudgetReport(_Fake):
    """Audio → the thread budget, niceness and seed that this process sees, as text."""

    accepts = Audio
    yields = Text

    def answer(self, payload: Any, piece: int, batch: int) -> Payload | InputError:
        seen = (os.environ["OMP_NUM_THREADS"], self.compute.threads, os.nice(0), self.compute.seed)
        return Text(" ".join(map(str, seen)), "en")
