"""Sound as samples: reading and writing files, checks, resampling, and finding the speech in a recording.

The voice activity detector is the only model here. Imports `contract`.
"""
