"""Everything that measures. `load` and `tune` are products (``relevo load``, ``relevo tune``).

Every other file is one measurement, run as ``python -m benchmarks.GROUP.NAME``, and prints what the docs claim:
`relay` measures the relay itself, `models` what stages compute, `accuracy` our own instruments, `peers` other systems.
`common` holds what several measurements share.
"""
