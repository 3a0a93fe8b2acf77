"""What a stage and its model agree on: the module contract, payloads, notes, and modules by name.

Everything imports this room. It imports nothing of the project but errors.
"""
