"""Hashes change with what a score depends on, and with nothing else."""

import hashlib
import shutil

import pytest

from mmbert_composer.evaluation import hashes
from mmbert_composer.evaluation.hashes import code_hash, hash_rows, model_hash
from mmbert_composer.evaluation.task import KINDS


def test_the_model_is_its_files_and_not_its_folder(tiny_encoder, tmp_path):
    copy = shutil.copytree(tiny_encoder, tmp_path / "other")
    assert model_hash(copy) == model_hash(tiny_encoder)
    (copy / "README.md").write_text("a card")
    (copy / "export.json").write_text("{}")
    assert model_hash(copy) == model_hash(tiny_encoder)
    config = copy / "config.json"
    config.write_text(config.read_text().replace('"hidden_size": 32', '"hidden_size":  32'))
    assert model_hash(copy) != model_hash(tiny_encoder)


@pytest.mark.parametrize("kind", KINDS)
def test_code_is_named_by_patterns_that_match(kind):
    assert len(code_hash(kind)) == 16
    for pattern in hashes._CODE[kind]:
        assert list(hashes.HERE.glob(pattern)), pattern


def test_rows_are_hashed_by_the_columns_used():
    def of(rows):
        digest = hashlib.sha256()
        hash_rows(digest, rows, ["a", "b"])
        return digest.hexdigest()

    assert of([{"a": 1, "b": 2}]) == of([{"b": 2, "a": 1, "idx": 9}])
    assert of([{"a": 1, "b": 2}]) != of([{"a": 2, "b": 1}])
