"""Relevo beside other systems: ``python -m benchmarks.peers`` compares them.

`systems` holds the offline modules inside each system, `transports` bare ways to join three stages.
"""
