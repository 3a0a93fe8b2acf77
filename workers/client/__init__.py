"""The client of a relay: submits requests, holds each until its outcome, and returns its events and its result.

    from workers.client import Client

`client` is what callers use; `connection` has the socket and the thread, `calls` and `pending` what waits for an
answer. Imports `wire`; it knows the broker only by its messages.
"""

from workers.client.client import Client

__all__ = ["Client"]
