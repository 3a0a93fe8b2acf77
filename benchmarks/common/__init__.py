"""Shared by several measurements: their command line, tables and records, and the instruments that they read.

Imports ``pipeline``, ``workers`` and ``modules``, and no other folder of ``benchmarks``.
"""
