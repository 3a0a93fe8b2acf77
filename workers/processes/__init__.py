"""What every process of a relay needs: start and end, signals, and a share of the cores.

Knows neither stages nor models. Imports `wire` for its poller.
"""
