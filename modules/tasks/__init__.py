"""What is the same for every model of one task: recognition, translation, synthesis.

A task cuts the input, keeps the time line and writes the notes. A family of models supplies one small function.
Imports `audio` and `contract`.
"""
