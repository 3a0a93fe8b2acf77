"""The configuration of a relay: typed keys, and how they are read. An unknown key is an error.

Precedence: command line > environment > file > default. Imports `wire`, for addresses.
"""

from workers.config.load import load_config, nested
from workers.config.models import AutoscaleConfig, PipelineConfig, StageConfig

__all__ = ["AutoscaleConfig", "PipelineConfig", "StageConfig", "load_config", "nested"]
