"""Runs a stage's module in this process, without a relay, as the baseline and the peers do."""

from __future__ import annotations

from collections.abc import Iterator

from modules.contract.module import Compute, Module
from modules.contract.payloads import Payload
from modules.contract.registry import module_options
from workers.plan import StageLayout


def open_module(stage: StageLayout, threads: int, seed: int) -> Module:
    """Loads and warms the module of a stage.

    Args:
        stage: the stage of a plan, with the folder of its model.
        threads: CPU threads that the module may use.
        seed: seed of its random numbers.
    """
    options = module_options(stage.config.module, stage.config.options)
    module = stage.module(stage.model, options, Compute(threads=threads, seed=seed))
    module.warm_up()
    return module


def outputs_of(module: Module, payload: Payload) -> Iterator[Payload]:
    """Yields the outputs of a module for one payload.

    Raises:
        InputError: the module refuses the payload.
    """
    for _, output in module.process([payload]):
        if isinstance(output, Exception):
            raise output
        yield output
