"""What makes ``SentenceTransformer(folder)`` an embedding model: the encoder, then the mean over the tokens.

Written in the form of sentence-transformers 3 and 4, which 5 reads as well; the package itself is not needed.
"""

from pathlib import Path
from typing import Any

import torch
import transformers

from mmbert_composer.data.atomic_write import write_json

_POOLING = "1_Pooling"
_MODES = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")


def write_sentence_transformers_files(folder: Path, hidden_size: int, max_seq_len: int) -> None:
    """Write ``modules.json``, the settings of both modules and ``config_sentence_transformers.json``.

    ``max_seq_len``: tokens, special ones included, at which texts are cut.
    """
    files: dict[str, Any] = {
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": _POOLING, "type": "sentence_transformers.models.Pooling"},
        ],
        "sentence_bert_config.json": {"max_seq_length": max_seq_len, "do_lower_case": False},
        f"{_POOLING}/config.json": {
            "word_embedding_dimension": hidden_size,
            **{f"pooling_mode_{mode}": mode == "mean_tokens" for mode in _MODES},
            "include_prompt": True,
        },
        "config_sentence_transformers.json": {
            "model_type": "SentenceTransformer",
            # The oldest version that these files are for: an older library warns.
            "__version__": {
                "sentence_transformers": "3.0.0",
                "transformers": transformers.__version__,
                "pytorch": torch.__version__,
            },
            "prompts": {},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    }
    (folder / _POOLING).mkdir()
    for name, content in files.items():
        write_json(folder / name, content, indent=2)
