"""The folder of this checkout, where config.yaml, pipelines/ and the packages are, and the version of what is in it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent
VERSION = "0.2.0"
