"""A run's settings: read, composed and checked before any data is looked for."""

from mmbert_composer.config.load_yaml import load_yaml
from mmbert_composer.config.run_config import RunConfig, parse_run_config

__all__ = ["RunConfig", "load_yaml", "parse_run_config"]
