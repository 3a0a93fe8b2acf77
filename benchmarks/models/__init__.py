"""Measurements of what stages compute: the quality, speed and memory of models and their backends."""
