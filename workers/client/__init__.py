"""The client of a relay: submits requests, holds each until its outcome, and hands back events and results.

Imports `wire`; it knows the broker only by its messages.
"""
