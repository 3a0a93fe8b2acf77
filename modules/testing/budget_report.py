"""A stand-in that tells what its process may compute with."""

from __future__ import annotations

import os
from collections.abc import Iterator

from errors import InputError
from modules.contract.payloads import Audio, Payload, Text
from modules.testing.stand_in import StandIn


class BudgetReport(StandIn):
    """Audio → text with the thread budget, niceness and seed that its process sees."""

    accepts, yields = Audio, Text

    def outputs(self, payload: Payload, batch_size: int) -> Iterator[Payload | InputError]:
        """Yields one text: OMP_NUM_THREADS, threads, niceness and seed, separated by spaces."""
        seen = (os.environ["OMP_NUM_THREADS"], self.compute.threads, os.nice(0), self.compute.seed)
        yield Text(" ".join(map(str, seen)), "en")
