"""Lets ``python -m workers.broker`` run the broker's process."""

from workers.broker.process import main

main()
