"""The load generator: the commands `relevo load` and `relevo compare`.

`command` and `compare` are the commands, `options` checks what was asked, `execution` carries it out. `sending` sends
requests, `trials` runs trials against a relay, `figures` computes everything from raw samples, and `report` shows it.
`run_record` is what a run leaves behind, `run_comparison` sets two side by side.

From Python, `Driver` sends a schedule to anything that has `submit` and returns a `RequestSample` for every request.
`run_trial` does so from a process of its own, and `level_figures` computes the figures:

    with own_relay(config, weights) as relay:
        arrivals = Poisson().draw(0.2, Bound(requests=60), seed=0)
        order = TrialOrder(relay.client.address, files, samples="", arrivals=arrivals, warm_up=WarmUp(requests=5))
        trial = run_trial(relay, order, arrivals="poisson", rate=0.2, on_progress=print)
    figures = level_figures([trial], stages, relay.cores, [Objective.parse("p95=12s")])
"""
