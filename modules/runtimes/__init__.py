"""The libraries that run models: opening a model folder, threads, devices, and errors that a user can act on.

One file a library. Imports `contract`.
"""
