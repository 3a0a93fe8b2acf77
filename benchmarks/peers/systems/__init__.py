"""The same modules inside Relevo and inside other systems, for ``python -m benchmarks.peers``."""
