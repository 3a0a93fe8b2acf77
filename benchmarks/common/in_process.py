"""A stage's module opened in this very process, as the baseline and the peers run it."""

from __future__ import annotations

from collections.abc import Iterator

from modules.contract.module import Compute, Module
from modules.contract.payloads import Payload
from modules.contract.registry import module_options
from workers.plan import StageLayout


def open_module(stage: StageLayout, threads: int, seed: int) -> Module:
    """Loads and warms the module of a stage."""
    options = module_options(stage.config.module, stage.config.options)
    module = stage.module(stage.model, options, Compute(threads=threads, seed=seed))
    module.warm_up()
    return module


def outputs_of(module: Module, payload: Payload) -> Iterator[Payload]:
    """What a module makes of one payload; raises the InputError that it may answer with."""
    for _, output in module.process([payload]):
        if isinstance(output, Exception):
            raise output
        yield output
