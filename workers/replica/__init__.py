"""One replica's process: it loads a module, takes batches, sends outputs and heartbeats.

``python -m workers.replica --stage NAME --connect ADDRESS`` joins a relay from anywhere.
"""
