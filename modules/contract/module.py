"""The contract between a stage and the model it runs. A module knows no process, queue, socket or metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from errors import ConfigError, InputError
from modules.contract.payloads import Payload


class Options(BaseModel):
    """Base of every module's options: typed, frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Compute:
    """What a replica may compute with: CPU threads, device (``cpu`` or ``cuda``), random seed."""

    threads: int = 1
    device: str = "cpu"
    seed: int = 0


class Module(ABC):
    """One model family behind one small interface.

    A subclass names the payload it accepts and the payload it yields, so that neighbours can be checked before
    anything starts, and the model of its options. Importing its file must stay cheap: heavy libraries are imported in
    ``__init__``, which only the replica's process calls.
    """

    accepts: ClassVar[type[Payload]]
    yields: ClassVar[type[Payload]]
    options_type: ClassVar[type[Options]] = Options

    @abstractmethod
    def __init__(self, model: Path | None, options: Any, compute: Compute) -> None:
        """Reads the weights.

        Args:
            model: folder with the model's files; None when the configuration names no model.
            options: an instance of this class's ``options_type``.
            compute: the thread budget, device and seed to keep to.
        """

    @abstractmethod
    def warm_up(self) -> None:
        """Runs one real example, so that the first request pays for no lazy initialisation."""

    @abstractmethod
    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Computes a batch and yields each output as soon as it is ready.

        Yields:
            (position in the batch, output). An input may have any number of outputs, in their order: a long
            recording yields segments, a text yields phrases of audio, silence yields nothing. An InputError in
            place of an output ends that input alone.

        Raises:
            ModelError: the model itself failed; no input of the batch can be finished.
        """


def require_model(model: Path | None) -> Path:
    """The folder of a stage's model, for a module that cannot run without.

    Raises:
        ConfigError: the configuration names none.
    """
    if model is None:
        raise ConfigError("the stage names no model and this module cannot run without; set its key `model`")
    return model
