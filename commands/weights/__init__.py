"""`relevo weights`: lists, fetches, converts, verifies and finds models."""
