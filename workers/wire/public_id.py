"""Ids of requests that may be shown to anybody, in metrics for instance."""

from __future__ import annotations

import hashlib

DIGEST_BYTES = 8


def public_id(request: str) -> str:
    """Returns an id for a request from which its own id, which lets a client take the request over, cannot be found."""
    return hashlib.blake2b(request.encode(), digest_size=DIGEST_BYTES).hexdigest()
