"""Everything that stages compute: one family of models in each file or folder, behind one small contract.

A module knows no process, queue, socket or metric, so nothing here imports ``workers``. Rooms import downwards only:
families → `chinese` → `tasks` → `runtimes` → `weights` → `audio` → `contract`. Families do not import each other.
`testing` holds modules without models, for tests and benchmarks. A module imports its heavy libraries in ``__init__``,
in the process that runs it. ``[tool.importlinter]`` in pyproject.toml enforces the order.
"""
