"""Measurements of the relay itself: overhead, scaling, chaos, metrics, first audio, memory."""
