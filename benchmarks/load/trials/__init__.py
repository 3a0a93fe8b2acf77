"""Runs trials against a relay: one by one, as a series of rates, or as a search for the peak."""
