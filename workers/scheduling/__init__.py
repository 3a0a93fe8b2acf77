"""The broker's decisions, pure: which job runs where and when, and how every request comes to exactly one outcome.

Time is an argument and messages leave through a `Delivery`, so that tests can play any order of events without a
process or a socket; the tuner simulates with the same code. `scheduler` explains how it works. Imports the messages of
`wire` and nothing else.
"""
