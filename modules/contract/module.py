"""The contract that every model implements: Module, its options, and the budget that it may compute with.

A module of one's own is a class in a file that Python can import, such as ``shout.py``::

    from collections.abc import Iterator, Sequence
    from dataclasses import replace
    from pathlib import Path

    from pydantic import Field

    from errors import InputError
    from modules.contract.module import Compute, Module, Options
    from modules.contract.payloads import Payload, Text


    class ShoutOptions(Options):
        mark: str = Field("!", description="ends every text")


    class Shout(Module):
        accepts = Text
        yields = Text
        options_type = ShoutOptions

        def __init__(self, model: Path | None, options: ShoutOptions, compute: Compute) -> None:
            self._mark = options.mark

        def warm_up(self) -> None:
            list(self.process([Text("one", "en")]))

        def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
            for position, text in enumerate(batch):
                if text.language == "en":
                    yield position, replace(text, text=text.text.upper() + self._mark)
                else:
                    yield position, InputError(f"this stage shouts English, not {text.language!r}")

A stage runs it with ``module: shout:Shout`` and ``options: {mark: "!!"}``.
"""

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
    """Base of every module's options: typed, frozen, and an unknown key is an error.

    Each field has a ``description``, which the reference of the configuration shows.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Compute:
    """The budget of a replica.

    Attributes:
        threads: CPU threads that the module may use.
        device: ``cpu`` or ``cuda``. A module sees one card only.
        seed: seeds all random numbers of the module.
    """

    threads: int = 1
    device: str = "cpu"
    seed: int = 0


class Module(ABC):
    """One family of models.

    A subclass sets ``accepts`` and ``yields``, so that neighbouring stages are checked before anything starts, and
    ``options_type``. Its file must be cheap to import, because the process that starts the relay imports it too. Heavy
    libraries are imported in ``__init__``, which only a replica's process calls. The top of this file has an example.

    Attributes:
        accepts: the payload that ``process`` takes: Audio or Text.
        yields: the payload that it yields.
        options_type: the class of its options.
    """

    accepts: ClassVar[type[Payload]]
    yields: ClassVar[type[Payload]]
    options_type: ClassVar[type[Options]] = Options

    @abstractmethod
    def __init__(self, model: Path | None, options: Any, compute: Compute) -> None:
        """Loads the model.

        Args:
            model: folder with the model's files; None if the stage names no model.
            options: an instance of ``options_type``.
            compute: the budget of threads, the device and the seed to keep to.

        Raises:
            ConfigError: the options do not fit the model or this machine.
            WeightsError: a file of the model is missing or cannot be read.
        """

    @abstractmethod
    def warm_up(self) -> None:
        """Runs one real example, so that the first request does not wait for lazy initialisation."""

    @abstractmethod
    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Computes a batch and yields each output as soon as it is ready.

        Args:
            batch: payloads of type ``accepts``, at most as many as the stage's ``max_batch``.

        Yields:
            (position in the batch, output of type ``yields``). An input may have any number of outputs, in their order:
            a long recording yields segments, a text yields phrases of audio, silence yields nothing. An InputError in
            place of an output ends the request of that input alone.

        Raises:
            ModelError: the model failed, and no input of the batch can be finished.
        """


def require_model(model: Path | None) -> Path:
    """Returns the folder of a stage's model, for a module that needs one.

    Raises:
        ConfigError: the stage names no model.
    """
    if model is None:
        raise ConfigError("the stage names no model, which this module needs; set its key `model`")
    return model
