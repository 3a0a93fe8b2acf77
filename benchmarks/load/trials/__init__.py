"""Runs trials against a relay: one after the other, at several rates, or as a search for the peak.

`relay_under_load` is the relay, `trial` one trial against it, `trial_series` all that the options ask for. May import
`sending`, `figures`, the options and the pipeline; draws no report.
"""
