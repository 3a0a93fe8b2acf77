"""Relevo beside other systems. ``python -m benchmarks.peers`` compares them.

`systems` holds the offline modules inside each system, `transports` small ways to join three stages that compute
nothing. Imports ``benchmarks.common`` and the load generator's driver.
"""
