"""The contract between a stage and the model that it runs: Module, payloads, notes, and the registry of modules.

Whoever writes a module of their own needs this folder only. Everything imports it. It imports errors alone.
"""
