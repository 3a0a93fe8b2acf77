"""The relay in simulated time: its own scheduler, replicas that take as long as the model says, and shared cores.

Needs simpy. May import `model` and the settings; starts no process.
"""
