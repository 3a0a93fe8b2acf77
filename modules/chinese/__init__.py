"""Chinese text: numbers and Latin words as they are read aloud, phrases, phonemes, and the check of a translation.

Several families use this folder. It knows no voice and no translator. Imports `tasks` and `contract`.
"""
