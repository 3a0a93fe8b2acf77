"""One replica's process: it loads a module, computes batches, and sends outputs and heartbeats.

Imports no library that computes before the process's thread budget is set. Imports `modules.contract`,
`modules.weights`, `workers.wire` and `workers.processes`.

``python -m workers.replica --stage NAME --connect ADDRESS`` joins a relay from anywhere.
"""
