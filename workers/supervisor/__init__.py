"""Keeps a relay's processes alive: starts, replaces, scales and ends the broker and the replicas.

Pure policies decide (`restart_policy`, `health_policy`, `autoscaling`): they take the time as an argument and touch no
process. `supervisor` and the rest carry out. This room may import every other.
"""
