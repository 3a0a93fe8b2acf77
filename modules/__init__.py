"""What stages compute: one family of models a file or folder, behind one small contract.

A module knows no process, queue, socket or metric, so nothing here imports ``workers``. Rooms import downwards only:
families → `chinese` → `tasks` → `runtimes`, `weights` → `audio` → `contract`. Families do not import each other.
A module imports its heavy libraries inside ``__init__``, in the process that runs it.
"""
