"""Raw samples, and every figure that is computed from them.

`samples` keeps each request, `trial_record` each trial, `level_figures` sums up the trials of one offered load. Nothing
here starts a process, opens a socket or draws. May import `workers.wire.messages` for the names of outcomes, and no
other folder of the load generator.
"""
