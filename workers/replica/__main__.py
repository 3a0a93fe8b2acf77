"""Lets ``python -m workers.replica`` run a replica's process."""

from workers.replica.process import main

main()
