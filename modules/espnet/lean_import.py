"""Imports ESPnet's ``Text2Speech`` in about half of the processor time that a plain import takes.

A plain import does two things that Relevo's Chinese voices do not need. `python -m benchmarks.models.espnet_import`
prints what each of them costs.

- typeguard rewrites every function of ESPnet, so that it checks the types of its arguments at each call.
- g2p_en, the reader of English, imports NLTK, scikit-learn and pandas, and tries to download NLTK's data.

The time matters because replicas load their models side by side.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def import_text2speech() -> Any:
    """Returns the class ``espnet2.bin.tts_inference.Text2Speech``, which cannot read English.

    Later imports of typeguard and g2p_en get the real packages.
    """
    with unchecked_types(), without_english():
        from espnet2.bin.tts_inference import Text2Speech
    return Text2Speech


@contextmanager
def unchecked_types() -> Iterator[None]:
    """Keeps typeguard from instrumenting what is imported meanwhile."""
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
    """Gives an empty module to whatever imports g2p_en meanwhile."""
    if "g2p_en" in sys.modules:
        yield
        return
    absent = sys.modules["g2p_en"] = ModuleType("g2p_en")
    absent.__spec__ = ModuleSpec("g2p_en", None)  # transformers looks for it
    try:
        yield
    finally:
        del sys.modules["g2p_en"]
