"""Other ways to join three stages that compute nothing, as small as they can be written.

`benchmarks.relay.overhead` runs them beside the relay; each prints one line of JSON.
"""
