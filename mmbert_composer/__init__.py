"""mmbert_composer: train multilingual encoders the mmBERT way, as plugins for MosaicML Composer."""

__version__ = "0.1.0"
