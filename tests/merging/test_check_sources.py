import json
import shutil

import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.export.model_source import open_model
from mmbert_composer.merging.check_sources import check_sources, check_thetas

pytest_plugins = ("tiny_models",)


@pytest.fixture
def source(tmp_path, tiny_config, tiny_tokenizer):
    def make(name, **overrides):
        shutil.copytree(tiny_tokenizer, tmp_path / name)
        tiny_config(**overrides).save_pretrained(tmp_path / name)
        return open_model(tmp_path / name)

    return make


def _other_words(source, **replaced):
    file = source.files.tokenizer / "tokenizer.json"
    content = json.loads(file.read_text())
    for old, new in replaced.items():
        content["model"]["vocab"][new] = content["model"]["vocab"].pop(old)
    file.write_text(json.dumps(content))


def test_alike(source):
    models = [source("one"), source("two")]
    check_sources(models, source("base"))
    check_thetas(models)
    _other_words(models[1])  # written differently, the same words
    check_sources(models, None)


def test_every_difference_is_named(source):
    one, two = source("one"), source("two", vocab_size=128, num_attention_heads=4, norm_eps=1e-6)
    base = source("base", local_attention=64)
    _other_words(base, word0="another")
    with pytest.raises(UserError) as error:
        check_sources([one, two], base)
    text = str(error.value)
    assert f"vocab_size is 64 in {one.path} and 128 in {two.path}" in text
    assert f"num_attention_heads is 2 in {one.path} and 4 in {two.path}" in text
    assert f"norm_eps is 1e-05 in {one.path} and 1e-06 in {two.path}" in text
    assert f"local_attention is 128 in {one.path} and 64 in {base.path}" in text
    assert f"{one.path} and {base.path} have different tokenizers" in text
    assert f"{one.path} and {two.path} have" not in text


def test_rotary_bases(source):
    models = [source("one"), source("two", global_rope_theta=160_000.0)]
    with pytest.raises(UserError, match=r"one: global 10,000, local 10,000; \S+two: global 160,000, local 10,000"):
        check_thetas(models)
