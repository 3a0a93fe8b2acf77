"""Sound as samples: audio files, checking and resampling, and where the speech is.

Knows no model of speech but the voice activity detector. Imports `contract`.
"""
