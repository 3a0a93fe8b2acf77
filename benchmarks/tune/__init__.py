"""Finds the ratio: measures each stage alone, simulates the relay for every ratio, and tries the best for real."""
