"""The load generator: `python -m benchmarks.load --help`.

To drive something from Python: `arrivals` draws when requests come, `driver.drive` sends them on schedule, and
`samples.Sample` is what became of each. `trial.run_trial` does so from a process of its own.
"""
