"""The offline modules without a thread budget, as libraries choose by themselves: pools as wide as the machine.

For benchmarks.relay.threads, to be compared with replicas that keep to their budget.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from modules.contract.module import Compute, Module
from modules.kokoro.voice import Kokoro
from modules.qwen import QwenTranslator
from modules.whisper.ct2 import WhisperCT2
from workers.processes.budget import THREAD_VARIABLES

LIBRARY_CHOOSES = 0  # for CTranslate2 and for ONNX Runtime


class _Unbudgeted(Module):
    def __init__(self, model: Path | None, options: Any, compute: Compute) -> None:
        """Takes the budget out of the environment before the module imports the library that would read it."""
        for variable in THREAD_VARIABLES:
            os.environ.pop(variable, None)
        super().__init__(model, options, replace(compute, threads=LIBRARY_CHOOSES))


class UnbudgetedWhisper(_Unbudgeted, WhisperCT2):
    """WhisperCT2 with as many threads as CTranslate2 likes."""


class UnbudgetedQwen(_Unbudgeted, QwenTranslator):
    """QwenTranslator with as many threads as CTranslate2 likes."""


class UnbudgetedKokoro(_Unbudgeted, Kokoro):
    """Kokoro with as many threads as ONNX Runtime likes."""


UNBUDGETED = {
    "whisper-ct2": "benchmarks.relay.unbudgeted:UnbudgetedWhisper",
    "qwen-ct2": "benchmarks.relay.unbudgeted:UnbudgetedQwen",
    "kokoro": "benchmarks.relay.unbudgeted:UnbudgetedKokoro",
}
