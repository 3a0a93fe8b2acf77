"""The folder of this checkout: where config.yaml, pipelines/ and the packages are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent
