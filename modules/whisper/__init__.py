"""Whisper: speech to English text, or to text of its own language. `ct2` is the offline one, `hf` runs on torch."""
