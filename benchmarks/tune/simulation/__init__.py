"""The relay in simulated time."""
