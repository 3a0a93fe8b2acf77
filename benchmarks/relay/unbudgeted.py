"""The offline modules without a thread budget: their libraries open pools as wide as the machine.

No measurement of its own: benchmarks/relay/threads.py compares them with replicas that keep to their budget.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from modules.contract.module import Compute
from modules.kokoro.voice import Kokoro
from modules.qwen import QwenTranslator
from modules.whisper.ct2 import WhisperCT2
from workers.processes.budget import THREAD_VARIABLES

UNBUDGETED = {
    "whisper-ct2": "benchmarks.relay.unbudgeted:UnbudgetedWhisper",
    "qwen-ct2": "benchmarks.relay.unbudgeted:UnbudgetedQwen",
    "kokoro": "benchmarks.relay.unbudgeted:UnbudgetedKokoro",
}
LIBRARY_CHOOSES = 0  # threads, for CTranslate2 and for ONNX Runtime


def without_budget(compute: Compute) -> Compute:
    """Removes the budget from the environment too, before the module imports the library that would read it."""
    for variable in THREAD_VARIABLES:
        os.environ.pop(variable, None)
    return replace(compute, threads=LIBRARY_CHOOSES)


class UnbudgetedWhisper(WhisperCT2):
    """WhisperCT2 with as many threads as CTranslate2 chooses."""

    def __init__(self, model: Path | None, options: Any, compute: Compute) -> None:
        """Loads the model without a budget."""
        super().__init__(model, options, without_budget(compute))


class UnbudgetedQwen(QwenTranslator):
    """QwenTranslator with as many threads as CTranslate2 chooses."""

    def __init__(self, model: Path | None, options: Any, compute: Compute) -> None:
        """Loads the model without a budget."""
        super().__init__(model, options, without_budget(compute))


class UnbudgetedKokoro(Kokoro):
    """Kokoro with as many threads as ONNX Runtime chooses."""

    def __init__(self, model: Path | None, options: Any, compute: Compute) -> None:
        """Loads the model without a budget."""
        super().__init__(model, options, without_budget(compute))
