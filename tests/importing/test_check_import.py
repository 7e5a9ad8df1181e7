import json

import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.importing.check_import import check_import
from tests.imported_models import edit_json

pytest_plugins = ("tiny_models", "foreign_tokenizers", "imported_models")


def test_ids_that_differ_are_the_tokenizers(tmp_path, save_hf):
    hf = save_hf(pad_token_id=7)
    edit_json(hf / "config.json", bos_token_id=None)
    request = check_import(hf, tmp_path / "start")
    assert [request.config[f"{key}_token_id"] for key in ("pad", "eos", "bos")] == [0, 1, 2]
    assert request.notes == ("pad_token_id was 7 in config.json and is 0 in the tokenizer, which counts",)


def test_special_ids_at_the_end(tmp_path, save_hf, modernbert_like):
    hf = save_hf(tokenizer=modernbert_like, pad_token_id=383, bos_token_id=381, eos_token_id=382)
    request = check_import(hf, tmp_path / "start")
    assert request.notes == ()
    assert request.tokenizer.special_ids == {"pad": 383, "eos": 382, "bos": 381, "unk": 380, "mask": 384}


def test_paths(tmp_path, save_hf):
    with pytest.raises(UserError, match=r"no such folder; expected a Hugging Face folder$"):
        check_import(tmp_path / "none", tmp_path / "start")
    with pytest.raises(UserError) as error:
        check_import(type(tmp_path)("jhu-clsp/mmBERT-base"), tmp_path / "start")
    assert str(error.value).endswith("downloaded first: hf download jhu-clsp/mmBERT-base --local-dir FOLDER")
    (tmp_path / "start").mkdir()
    with pytest.raises(UserError, match="start: exists already"):
        check_import(save_hf(), tmp_path / "start")


def test_a_run_folder_needs_no_import(tmp_path, save_run):
    with pytest.raises(UserError, match="a run folder, which needs no import: start from it with load_path="):
        check_import(save_run(tmp_path / "run"), tmp_path / "start")


def test_another_model(tmp_path, save_hf):
    hf = save_hf()
    edit_json(hf / "config.json", model_type="bert")
    with pytest.raises(UserError, match="a bert model; only modernbert models can be used"):
        check_import(hf, tmp_path / "start")
    (hf / "config.json").unlink()
    with pytest.raises(UserError, match=r"no config\.json in it"):
        check_import(hf, tmp_path / "start")


def test_pickled_weights(tmp_path, save_hf):
    hf = save_hf()
    (hf / "model.safetensors").rename(hf / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"its weights are pickled \(pytorch_model\.bin\).*convert them once"):
        check_import(hf, tmp_path / "start")


def test_a_tokenizer_that_does_not_fit(tmp_path, save_hf):
    hf = save_hf(vocab_size=384)
    with pytest.raises(UserError, match="tokenizer has ids up to 415 and the embedding 384 rows"):
        check_import(hf, tmp_path / "start")
    other = save_hf("other")
    settings = json.loads((other / "tokenizer_config.json").read_text())
    del settings["mask_token"]
    (other / "tokenizer_config.json").write_text(json.dumps(settings))
    (other / "special_tokens_map.json").unlink()
    with pytest.raises(UserError, match=r"has no mask token \(mask_token\)"):
        check_import(other, tmp_path / "start")
    (other / "tokenizer.json").unlink()
    with pytest.raises(UserError, match="no tokenizer in"):
        check_import(other, tmp_path / "start")
