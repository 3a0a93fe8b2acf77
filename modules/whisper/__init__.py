"""Whisper: speech to English text, or to text of its own language. `ct2` runs without torch, `hf` runs on torch."""
