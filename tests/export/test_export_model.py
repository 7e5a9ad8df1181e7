import json
import resource

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, pipeline

from mmbert_composer.checkpoints.model_weights import hf_names, model_weights
from mmbert_composer.curriculum.phase import RopeTheta
from mmbert_composer.errors import UserError
from mmbert_composer.export.compare_logits import fixed_documents, padded_logits
from mmbert_composer.export.export_model import ModelFiles, export_model

pytest_plugins = ("tiny_models",)


@pytest.fixture
def files(tiny_config, tiny_tokenizer):
    return ModelFiles(tiny_config().to_dict(), tiny_tokenizer, RopeTheta(160_000, 20_000), 256)


def _weights(model):
    return hf_names(model.state_dict(), "test")


def test_a_model_people_can_use(tmp_path, tiny_model, files):
    weights = _weights(tiny_model(0))
    exported = export_model(weights, files, tmp_path / "hf", record={"batch": 3}, extra={"more.json": {"a": 1}})
    out = exported.path
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()) == [
        "1_Pooling/config.json",
        "README.md",
        "config.json",
        "config_sentence_transformers.json",
        "export.json",
        "model.safetensors",
        "modules.json",
        "more.json",
        "sentence_bert_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    written = model_weights(out)
    assert list(written) == list(weights)
    assert all(torch.equal(written[name], weights[name]) for name in weights)
    # The bases of the last phase, which the config that training started with does not have.
    right = tiny_model(0, global_rope_theta=160_000.0, local_rope_theta=20_000.0)
    loaded = AutoModelForMaskedLM.from_pretrained(out)
    documents = fixed_documents(loaded.config)
    assert [len(document) for document in documents] == [160, 40, 3]
    for ours, theirs in zip(padded_logits(right, documents), padded_logits(loaded, documents), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)
    wrong = padded_logits(tiny_model(0), documents)[0]
    assert not torch.allclose(wrong, padded_logits(loaded, documents)[0], atol=1e-2)
    record = json.loads((out / "export.json").read_text())
    assert record["batch"] == 3
    assert 0 <= record["differences"]["padded"] < 1e-4
    assert record["differences"]["alone"] < 1e-4
    assert record["differences"]["scale"] > 1


def test_pipelines(tmp_path, tiny_model, files):
    out = export_model(_weights(tiny_model(0)), files, tmp_path / "hf").path
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert tokenizer.model_max_length == 256
    assert tokenizer("word1 word2")["input_ids"] == [2, 6, 7, 1]
    fill = pipeline("fill-mask", model=str(out), device="cpu")
    assert len(fill("word1 <mask> word3")) == 5
    batch = tokenizer(["word1", "word2 word3 word4"], padding=True, return_tensors="pt")
    hidden = AutoModel.from_pretrained(out)(**batch).last_hidden_state
    assert hidden.shape == (2, 5, 32)


def test_bfloat16_stays(tmp_path, tiny_model, files):
    weights = {name: tensor.bfloat16() for name, tensor in _weights(tiny_model(0)).items()}
    out = export_model(weights, files, tmp_path / "hf").path
    assert model_weights(out)["head.dense.weight"].dtype == torch.bfloat16
    assert AutoModelForMaskedLM.from_pretrained(out, dtype="auto").dtype == torch.bfloat16
    weights["head.norm.weight"] = weights["head.norm.weight"].float()
    with pytest.raises(UserError, match="weights mix"):
        export_model(weights, files, tmp_path / "mixed")


def test_a_function_that_writes_the_weights(tmp_path, tiny_model, files):
    weights = _weights(tiny_model(0))
    asked = []

    def write(file):
        asked.append(file.name)
        save_file(weights, file)

    exported = export_model(write, files, tmp_path / "hf")
    assert asked == ["model.safetensors"]
    assert exported.differences == export_model(weights, files, tmp_path / "same").differences
    for name, tensor in model_weights(tmp_path / "hf").items():
        assert torch.equal(tensor, weights[name])
    assert json.loads((tmp_path / "hf" / "config.json").read_text())["dtype"] == "float32"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop("decoder.bias"), r"do not match: decoder\.bias is missing"),
        (lambda weights: weights.update(surplus=torch.zeros(2)), "surplus is not a weight of this model"),
        (lambda weights: weights.update({"decoder.bias": torch.zeros(64).half()}), "weights mix"),
        (lambda weights: weights.update({"decoder.bias": torch.full((64,), torch.nan)}), "differ from the trained"),
    ],
)
def test_a_function_that_writes_something_else(tmp_path, tiny_model, files, change, message):
    weights = _weights(tiny_model(0))
    change(weights)
    with pytest.raises(UserError, match=message):
        export_model(lambda file: save_file(weights, file), files, tmp_path / "hf")
    assert not list(tmp_path.glob("*hf*"))


def test_a_function_that_writes_half_a_file(tmp_path, tiny_model, files):
    def write(file):
        save_file(_weights(tiny_model(0)), file)
        file.write_bytes(file.read_bytes()[:-7])

    with pytest.raises(UserError, match="not a complete safetensors file"):
        export_model(write, files, tmp_path / "hf")
    with pytest.raises(UserError, match=r"model\.safetensors: no such file"):
        export_model(lambda file: None, files, tmp_path / "hf")
    assert not list(tmp_path.glob("*hf*"))


def test_what_does_not_fit_is_named_all_at_once(tmp_path, tiny_model, files):
    weights = _weights(tiny_model(0))
    del weights["model.final_norm.weight"]
    weights["head.dense.weight"] = torch.zeros(8, 8)
    weights["surplus"] = torch.zeros(1)
    with pytest.raises(UserError) as error:
        export_model(weights, files, tmp_path / "hf")
    assert "model.final_norm.weight is missing" in str(error.value)
    assert "head.dense.weight is [8, 8], the config says [32, 32]" in str(error.value)
    assert "surplus is not a weight" in str(error.value)
    assert not list(tmp_path.glob("*hf*"))


def test_an_untied_decoder_is_not_dropped_in_silence(tmp_path, tiny_model, files):
    state = dict(tiny_model(0).state_dict())
    state["decoder.weight"] = state["decoder.weight"] + 1
    with pytest.raises(UserError, match=r"decoder\.weight is not a weight of this model"):
        export_model(hf_names(state, "test"), files, tmp_path / "hf")


def test_a_logit_difference_leaves_no_folder(tmp_path, tiny_model, files, monkeypatch):
    monkeypatch.setattr("mmbert_composer.export.export_model.TOLERANCE", -1.0)
    with pytest.raises(UserError, match=r"differ from the trained model's by .*nothing was written"):
        export_model(_weights(tiny_model(0)), files, tmp_path / "hf")
    assert not list(tmp_path.glob("*hf*"))


def test_existing_output(tmp_path, tiny_model, files):
    weights = _weights(tiny_model(0))
    (tmp_path / "hf").mkdir()
    with pytest.raises(UserError, match="exists already"):
        export_model(weights, files, tmp_path / "hf")
    with pytest.raises(UserError, match=r"holds no export\.json, so it is no earlier export"):
        export_model(weights, files, tmp_path / "hf", replace=True)
    export_model(weights, files, tmp_path / "new")
    export_model(_weights(tiny_model(1)), files, tmp_path / "new", replace=True)
    assert torch.equal(model_weights(tmp_path / "new")["decoder.bias"], tiny_model(1).decoder.bias)


def test_a_tokenizer_that_does_not_fit(tmp_path, tiny_model, tiny_config, tiny_tokenizer, files):
    weights = _weights(tiny_model(0))
    config = tiny_config(pad_token_id=5).to_dict()
    with pytest.raises(UserError, match="pad is token 0 in the tokenizer and 5 in the model config"):
        export_model(weights, ModelFiles(config, tiny_tokenizer, RopeTheta(1e4, 1e4), 256), tmp_path / "hf")
    small = _weights(tiny_model(0, vocab_size=60))
    config = tiny_config(vocab_size=60).to_dict()
    with pytest.raises(UserError, match="the tokenizer has 64 tokens, the model 60"):
        export_model(small, ModelFiles(config, tiny_tokenizer, RopeTheta(1e4, 1e4), 256), tmp_path / "hf")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no tokenizer\.json in it"):
        export_model(weights, ModelFiles(files.config, tmp_path / "empty", RopeTheta(1e4, 1e4), 256), tmp_path / "hf")


def test_a_full_disk_leaves_nothing(tmp_path, tiny_model, files):
    """The limit on a file's size stands for the disk's: the same calls fail, with another number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # the weights are some 120 KB
    try:
        with pytest.raises(UserError, match=r"hf: File too large; nothing was left there. Make room and try again"):
            export_model(_weights(tiny_model(0)), files, tmp_path / "hf")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.glob("*hf*"))


def test_short_sequences(tmp_path, tiny_model, tiny_config, tiny_tokenizer):
    config = tiny_config(max_position_embeddings=64).to_dict()
    out = export_model(
        _weights(tiny_model(0)), ModelFiles(config, tiny_tokenizer, RopeTheta(1e4, 1e4), 64), tmp_path / "hf"
    ).path
    assert json.loads((out / "config.json").read_text())["max_position_embeddings"] == 64
