"""The base of every stand-in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from errors import InputError
from modules.contract.module import Compute, Module
from modules.contract.payloads import Payload


class StandIn(Module):
    """A module without weights. It answers the inputs of a batch one after the other, by its subclass's `outputs`."""

    options: Any

    def __init__(self, model: Path | None, options: Any, compute: Compute) -> None:
        """Keeps its options and its budget; there is nothing to load."""
        self.options, self.compute = options, compute

    def warm_up(self) -> None:
        """Does nothing: there is nothing to warm."""

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Yields the outputs of each input, in the order of the batch."""
        for position, payload in enumerate(batch):
            for output in self.outputs(payload, len(batch)):
                yield position, output

    @abstractmethod
    def outputs(self, payload: Payload, batch_size: int) -> Iterable[Payload | InputError]:
        """Returns the outputs for one input of a batch of `batch_size`."""
