"""The commands of `python pipeline.py`, one file each: its arguments, and what it prints."""
