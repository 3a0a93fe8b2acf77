"""Measurements of our own instruments: how exact the load generator is, how true the tuner's predictions are."""
