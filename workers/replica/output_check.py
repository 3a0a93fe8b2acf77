"""Checks what a module yields before it leaves the replica: a wrong output fails its request, not the stage behind."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from errors import InputError, ModelError
from modules.contract.module import Module
from modules.contract.payloads import Audio, Payload

SAMPLE_RATES = range(1000, 400_000)  # Hz, of any audio that a later stage can take


def checked_position(position: Any, jobs: int) -> int:
    """Returns the position of an output in the batch.

    Raises:
        ModelError: it is not an int that names one of the jobs.
    """
    if type(position) is not int or not 0 <= position < jobs:
        raise ModelError(
            f"the module yields the position {position!r} in a batch of {jobs}; an int from 0 names the input"
        )
    return position


def checked_output(module: Module, output: Any) -> Payload | InputError:
    """Returns an output of the module.

    Raises:
        ModelError: it is not what the module declares to yield, or holds figures that are not finite.
    """
    if isinstance(output, InputError):
        return output
    if not isinstance(output, module.yields):
        raise ModelError(f"the module yields {type(output).__name__} where it declares {module.yields.__name__}")
    if not (math.isfinite(output.start_s) and math.isfinite(output.end_s)):
        raise ModelError(
            f"the module yields an output from {output.start_s} s to {output.end_s} s; both must be finite"
        )
    if isinstance(output, Audio):
        if output.sample_rate not in SAMPLE_RATES:
            raise ModelError(
                f"the module yields audio with a sample rate of {output.sample_rate} Hz; "
                f"{SAMPLE_RATES.start} to {SAMPLE_RATES.stop - 1} can be taken"
            )
        if not np.isfinite(output.samples).all():
            raise ModelError("the module yields audio with samples that are not finite")
    return output
