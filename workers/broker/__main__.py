"""Runs the broker's process: ``python -m workers.broker``."""

from workers.broker.process import main

main()
