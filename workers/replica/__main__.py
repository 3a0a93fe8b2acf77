"""Runs a replica: ``python -m workers.replica``."""

from workers.replica.command import main

main()
