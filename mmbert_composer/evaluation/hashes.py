"""What a result depends on, as hashes: the model's files, the rows, the code."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mmbert_composer.evaluation.task import FINE_TUNED_KINDS

HERE = Path(__file__).parent

_MODEL_FILES = ("*.json", "*.safetensors", "*.bin", "*.txt", "*.model", "*.py")
_NOT_THE_MODEL = ("export.json", "merge.json", "explain.json", "training_args.bin")

_FINE_TUNING = (
    "data/*.py",
    "heads/*.py",
    "metrics/*.py",
    "collate.py",
    "departures.py",
    "fine_tune.py",
    "load_for_task.py",
    "oddities.py",
    "predict.py",
    "read_tokenizer.py",
    "run_fine_tuned.py",
    "tuned_models.py",
)
_EMBEDDING = ("embed_texts.py", "length_batches.py", "load_encoder.py", "read_tokenizer.py")
_CODE = {
    **dict.fromkeys(FINE_TUNED_KINDS, _FINE_TUNING),
    "retrieval": ("retrieval/*.py",),
    "intrinsic": ("intrinsic/*.py", "bitext*.py", "training_texts.py", *_EMBEDDING),
    "bitext": ("*bitext*.py", "intrinsic/aligned_texts.py", "data/*.py", *_EMBEDDING),
}
"""Files whose change can change a score, by kind."""


def model_hash(folder: Path) -> str:
    """Hash of a model's weights, configuration and tokenizer, whatever the folder is called."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _MODEL_FILES for path in folder.glob(pattern)}):
        if path.name in _NOT_THE_MODEL:
            continue
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


@cache
def code_hash(kind: str) -> str:
    """Hash of the code that scores tasks of this kind."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _CODE[kind] for path in HERE.glob(pattern)}):
        digest.update(path.relative_to(HERE).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def hash_rows(digest: "hashlib._Hash", rows: Iterable[Mapping[str, Any]], columns: Iterable[str]) -> None:
    """Add the named columns of rows to a hash."""
    names = sorted(columns)
    for row in rows:
        digest.update(json.dumps([row[name] for name in names], ensure_ascii=False, default=str).encode())


def hash_values(values: Any) -> str:
    """Hash of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]
