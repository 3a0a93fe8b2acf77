"""The load generator: `relevo load --help`.

From Python, `driver.Driver` sends what `arrivals` drew to anything that has `submit`, and returns a `samples.Sample` of
every request. `trial.run_trial` does so from a process of its own, and `figures.level_figures` takes it from there:

    with own_relay(config, weights) as relay:
        arrivals = Poisson().draw(0.2, Bound(requests=60), seed=0)
        order = Order(relay.client.address, files, samples="", arrivals=arrivals, warm_up=WarmUp(requests=5))
        trial, samples = run_trial(relay, order, arrivals="poisson", rate=0.2, on_progress=print)
    figures = level_figures([TrialSamples(trial, samples)], stages, relay.cores, [Objective.parse("p95=12s")])
"""
