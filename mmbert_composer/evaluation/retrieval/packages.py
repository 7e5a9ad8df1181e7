"""The packages of the retrieval suites, which take seconds to import and are an extra."""

from typing import Any

from mmbert_composer.errors import UserError

HOW = "pip install 'mmbert-composer[eval]'"


def load_mteb() -> Any:
    """The module ``mteb``."""
    try:
        import mteb
    except ImportError:
        raise UserError(f"retrieval benchmarks need the mteb package: {HOW}") from None
    return mteb


def load_sentence_transformers() -> Any:
    """The module ``sentence_transformers``."""
    try:
        import sentence_transformers
    except ImportError:
        raise UserError(f"the retrieval stage needs the sentence-transformers package: {HOW}") from None
    return sentence_transformers


def load_datasets() -> Any:
    """The module ``datasets``, without its progress bars among our lines."""
    try:
        import datasets
    except ImportError:
        raise UserError(f"the retrieval stage needs the datasets package: {HOW}") from None
    datasets.disable_progress_bars()
    return datasets
