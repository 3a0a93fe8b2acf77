"""Measures our own instruments: how exactly the load generator sends, and how far the tuner's predictions are off.

Each file is one measurement, run as ``python -m benchmarks.accuracy.NAME``. May import `load`, `tune` and `common`.
"""
