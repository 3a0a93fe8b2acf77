"""What every process of a relay needs: starting one, ending with its parent, signals, and its share of the cores.

Knows neither stages nor models. Imports `wire` for its poller.
"""
