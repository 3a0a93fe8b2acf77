"""Measurements of what stages compute: quality, speed and memory of models and their backends."""
