"""The tuner: the command `relevo tune`. It finds the ratio of replicas for a machine and a load.

`command` is the command, `options` checks what was asked, `execution` carries it out: `model` measures each stage alone
and fits a model to it, `search` simulates (`simulation`) every `setting` that fits the machine and ranks them, and
`confirmation` runs the best for real. `capacity` computes the limits from means alone.
"""
