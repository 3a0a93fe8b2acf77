"""Marian (opus-mt): text of one language to text of another. `ct2` runs without torch, `hf` runs on torch."""
