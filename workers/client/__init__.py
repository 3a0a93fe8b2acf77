"""The client of a relay: submits requests, holds each until its outcome, and hands back events and results.

    from workers.client import Client

Imports `wire`; it knows the broker only by its messages.
"""

from workers.client.client import Client

__all__ = ["Client"]
