"""Chinese text: numbers and Latin words as they are read, phonemes, and checks on a translation.

Knows no voice and no translator; several families use it. Imports `tasks` and `contract`.
"""
