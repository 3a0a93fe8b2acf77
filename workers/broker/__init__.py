"""The broker's process around the scheduler: sockets, metrics and dead letters. ``python -m workers.broker``."""
