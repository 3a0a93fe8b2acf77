"""The wire: messages and their encoding, payload frames, sockets, and keys.

Holds no behaviour of any peer. docs/protocol.md says who sends what to whom. Imports `modules.contract`, and
`modules.audio` for the leading silence of an audio.
"""
