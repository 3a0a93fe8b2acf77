"""The offline modules inside other systems, and inside ours: what `python -m benchmarks.peers` compares."""
