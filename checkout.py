"""The folder of this checkout, which holds config.yaml, pipelines/ and the packages, and its version."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent
VERSION = "0.2.0"
