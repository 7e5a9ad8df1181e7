import json
import shutil

import pytest

from mmbert_composer.data.tokenizer_files import TokenizerFiles
from mmbert_composer.errors import UserError
from mmbert_composer.importing.kept_ids import new_tokens

pytest_plugins = ("tiny_models", "foreign_tokenizers", "imported_models")


@pytest.fixture
def changed(tmp_path, gemma_like):
    """A function that changes a copy of the tokenizer's vocabulary and gives both."""

    def change(edit, **roles):
        folder = tmp_path / "changed"
        shutil.copytree(gemma_like, folder)
        content = json.loads((folder / "tokenizer.json").read_text())
        edit(content["model"]["vocab"], content["added_tokens"])
        (folder / "tokenizer.json").write_text(json.dumps(content))
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        (folder / "tokenizer_config.json").write_text(json.dumps({**settings, **roles}))
        (folder / "special_tokens_map.json").unlink()
        return TokenizerFiles(gemma_like), TokenizerFiles(folder)

    return change


def test_added_tokens_and_replaced_placeholders(changed):
    def edit(vocab, added):
        del vocab["<unused1>"]
        added[:] = [token for token in added if token["content"] != "<unused1>"]
        vocab.update({"▁ሰላም": 6, "ሰላ": 416, "ላም": 430})

    found = new_tokens(*changed(edit))
    assert found.tokens == {"▁ሰላም": 6, "ሰላ": 416, "ላም": 430}
    assert found.replaced == {6}


def test_nothing_new(gemma_like):
    same = TokenizerFiles(gemma_like)
    assert new_tokens(same, same).tokens == {}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda vocab, added: vocab.update({"the": 500}), r"'the' was id \d+ and is 500"),
        (lambda vocab, added: vocab.pop("the"), r"'the' \(id \d+\) is gone"),
        (lambda vocab, added: vocab.update({"new": vocab["the"]}), r"'new' takes id \d+ of 'the'"),
    ],
)
def test_tokens_that_move_are_named(changed, edit, message):
    with pytest.raises(UserError, match=f"is no grown form of the tokenizer in .*{message}.*must keep its id"):
        new_tokens(*changed(edit))


def test_special_tokens_stay_what_they_are(changed):
    with pytest.raises(UserError, match="the mask token was id 4 and is 7"):
        new_tokens(*changed(lambda vocab, added: None, mask_token="<unused2>"))


def test_few_of_many_are_named(changed):
    def edit(vocab, added):
        vocab.update({token: index + 100 for token, index in vocab.items() if index >= 300})

    with pytest.raises(UserError, match=r"and 111 more\. Every token"):
        new_tokens(*changed(edit))
