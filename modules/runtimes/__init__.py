"""The libraries that run models: threads, devices, and errors that tell a wrong setting from a damaged file.

One file for each library. Imports `weights` (for the advice on damaged files) and `contract`.
"""
