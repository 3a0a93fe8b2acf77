"""Stand-ins for models, for tests, benchmarks and users' own modules: no weights, answers that can be checked.

`noop` answers at once, `timed` takes as long as it is told, `faulty` fails as it is told. Imports `contract` and
`weights`.
"""
