"""The broker's decisions, pure: who waits, who works, and how every request comes to exactly one outcome.

Time is an argument and messages leave through `delivery`, so that any order of events can be tried without a process
or a socket; the tuner simulates with it. Imports the messages of `wire` and nothing else.
"""
