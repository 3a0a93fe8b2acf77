"""Imports ESPnet's ``Text2Speech`` in about half of the processor time that a plain import takes.

Two things that a plain import does serve nothing that Relevo's Chinese voices run; `python -m
benchmarks.models.espnet_import` prints what each of them costs:

- typeguard rewrites every function of ESPnet, so that it checks the types of its arguments at each call.
- g2p_en, the reader of English, brings NLTK, scikit-learn and pandas, and tries to download NLTK's data.

What is left runs beside the loads of the other stages: replicas are started together.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def import_text2speech() -> Any:
    """The class ``espnet2.bin.tts_inference.Text2Speech``; the one it gives cannot read English.

    What imports typeguard or g2p_en afterwards gets the real ones.
    """
    with unchecked_types(), without_english():
        from espnet2.bin.tts_inference import Text2Speech
    return Text2Speech


@contextmanager
def unchecked_types() -> Iterator[None]:
    """What is imported meanwhile is not instrumented by typeguard."""
    import typeguard

    original = typeguard.typechecked

    def typechecked(target: Any = None, **_: Any) -> Any:
        return typechecked if target is None else target

    typeguard.typechecked = typechecked
    try:
        yield
    finally:
        typeguard.typechecked = original


@contextmanager
def without_english() -> Iterator[None]:
    """What imports g2p_en meanwhile gets a module with nothing in it."""
    if "g2p_en" in sys.modules:
        yield
        return
    absent = sys.modules["g2p_en"] = ModuleType("g2p_en")
    absent.__spec__ = ModuleSpec("g2p_en", None)  # transformers looks for it
    try:
        yield
    finally:
        del sys.modules["g2p_en"]
