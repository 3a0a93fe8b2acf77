"""Keeps a relay's processes alive: starts, restarts, scales and ends the broker and the replicas.

What to do is decided by pure policies (`autoscaling`, restarts); the rest carries it out. Imports every other room.
"""
