"""Sends a schedule of requests, from a process of its own, and samples each of them."""
