"""A Marian from English to German; see marian.py."""

from __future__ import annotations

from pathlib import Path

from tests.hub.checkpoints import marian

GERMAN = ["Guten Morgen, wann öffnet die Apotheke?", "Der Zug fährt in zehn Minuten.", "Im Norden regnet es."]


def save(folder: Path) -> None:
    """Writes a model folder as Helsinki-NLP/opus-mt-en-de has it."""
    marian.save(folder, GERMAN)
