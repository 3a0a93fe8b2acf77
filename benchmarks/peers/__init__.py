"""Other ways to join three stages, as small as they can be written; each prints one line of JSON."""
