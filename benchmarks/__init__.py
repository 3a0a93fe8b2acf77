"""Measurements: each file is one, run as `python -m benchmarks.NAME`, and prints what the documents claim."""
