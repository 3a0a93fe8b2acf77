"""The report of a run: one HTML page that needs nothing else, its plots as PNG beside it."""
