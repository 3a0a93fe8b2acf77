"""What goes over the wire, and how: messages, their encoding, payload frames, sockets and keys.

Knows nobody's behaviour. docs/protocol.md says who sends what to whom. Imports `modules.contract` only.
"""
