"""The broker's process: it owns every stage's queue, decides who works on what, and is the only writer of metrics.

The decisions are in `scheduling`; this room has the sockets, the metrics and the dead letters around them. Imports
`scheduling`, `processes` and `wire`.
"""
