"""Small ways to join three stages that compute nothing, beside Relevo's own.

``python -m benchmarks.peers.transports SYSTEM`` drives one of them; benchmarks/relay/overhead.py compares them.
"""
