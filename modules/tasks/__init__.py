"""What every model of a task shares: recognition, translation, synthesis.

A task splits the input, keeps the time line and writes the notes. A family of models supplies one or two small
functions, which each file defines as types. Imports `audio` and `contract`.
"""
