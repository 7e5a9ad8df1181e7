import json
import resource

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, AutoTokenizer, ModernBertModel, pipeline

from mmbert_composer.checkpoints.model_weights import model_weights
from mmbert_composer.errors import UserError
from mmbert_composer.export.export_run import export_run
from mmbert_composer.importing.import_model import import_model
from mmbert_composer.merging.merge_method import MergeMethod
from mmbert_composer.merging.merge_models import merge_models
from mmbert_composer.models.modernbert_config import build_config
from tests.imported_models import edit_json

pytest_plugins = ("tiny_models", "foreign_tokenizers", "imported_models")


def same_weights(one, other):
    ours, theirs = model_weights(one), model_weights(other)
    return list(ours) == list(theirs) and all(torch.equal(ours[name], theirs[name]) for name in ours)


def config_of(folder):
    """What transformers makes of a config, without who wrote it and how it is run."""
    config = AutoModelForMaskedLM.from_pretrained(folder).config.to_dict()
    for key in ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "layer_types", "rope_parameters"):
        config.pop(key, None)
    return config


def test_there_and_back_is_bit_exact(tmp_path, save_hf):
    hf = save_hf()
    imported = import_model(hf, tmp_path / "start")
    export_run(tmp_path / "start", tmp_path / "back")
    assert same_weights(hf, tmp_path / "start")
    assert same_weights(hf, tmp_path / "back")
    assert config_of(hf) == config_of(tmp_path / "start") == config_of(tmp_path / "back")
    for name in ("tokenizer.json", "special_tokens_map.json"):
        assert (tmp_path / "back" / name).read_bytes() == (hf / name).read_bytes()
    text = "the quick <mask> jumps over it"
    ids = AutoTokenizer.from_pretrained(hf)(text).input_ids
    assert AutoTokenizer.from_pretrained(tmp_path / "back")(text).input_ids == ids
    assert len(pipeline("fill-mask", model=str(tmp_path / "back"), device="cpu")(text)) == 5
    assert imported.notes == ()
    assert imported.rows is None
    assert imported.exported.differences["padded"] < 1e-4


def test_what_is_said_of_its_origin(tmp_path, save_hf):
    hf = save_hf("mmBERT-tiny")
    (hf / "README.md").write_text("---\nlicense: mit\nlanguage: [en]\n---\n# A model\n")
    import_model(hf, tmp_path / "start")
    record = json.loads((tmp_path / "start" / "import.json").read_text())
    assert (record["source"], record["licence"], record["rows"]) == ("mmBERT-tiny", "mit", None)
    card = (tmp_path / "start" / "README.md").read_text()
    assert 'license: "mit"' in card
    assert "Training started from `mmBERT-tiny`." in card
    export_run(tmp_path / "start", tmp_path / "back")
    assert "Training started from `mmBERT-tiny`." in (tmp_path / "back" / "README.md").read_text()


def test_sharded_and_transformers_5(tmp_path, save_hf):
    hf = save_hf()
    AutoModelForMaskedLM.from_pretrained(hf).save_pretrained(tmp_path / "shards", max_shard_size="40KB")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (tmp_path / "shards" / name).write_bytes((hf / name).read_bytes())
    assert len(list((tmp_path / "shards").glob("model-*.safetensors"))) > 1
    rope = {"full_attention": {"rope_theta": 160000.0}, "sliding_attention": {"rope_theta": 40000.0}}
    edit_json(tmp_path / "shards" / "config.json", global_rope_theta=None, local_rope_theta=None, rope_parameters=rope)
    import_model(tmp_path / "shards", tmp_path / "start")
    assert same_weights(hf, tmp_path / "start")
    assert config_of(hf) == config_of(tmp_path / "start")


def test_a_tokenizer_saved_by_transformers_5(tmp_path, save_hf):
    """What 5.2.0 writes: one settings file, a class that 4 does not have, two keys of its own."""
    hf = save_hf()
    (hf / "special_tokens_map.json").unlink()
    settings = hf / "tokenizer_config.json"
    edit_json(
        settings, tokenizer_class="TokenizersBackend", backend="tokenizers", is_local=True, added_tokens_decoder=None
    )
    import_model(hf, tmp_path / "start")
    assert AutoTokenizer.from_pretrained(tmp_path / "start")("the fox").input_ids[0] == 2
    edit_json(settings, tokenizer_class="NoSuchTokenizer")
    with pytest.raises(UserError, match="transformers does not load the tokenizer: Tokenizer class NoSuchTokenizer"):
        import_model(hf, tmp_path / "other")


def test_the_class_of_gemmas_tokenizer(tmp_path, save_hf):
    hf = save_hf()
    edit_json(
        hf / "tokenizer_config.json", tokenizer_class="GemmaTokenizerFast", add_bos_token=True, add_eos_token=True
    )
    import_model(hf, tmp_path / "start")
    ids = [AutoTokenizer.from_pretrained(folder)("the fox").input_ids for folder in (hf, tmp_path / "start")]
    assert ids[0] == ids[1]
    assert (ids[0][0], ids[0][-1]) == (2, 1)


def test_bfloat16_and_a_decoder_saved_twice(tmp_path, save_hf):
    hf = save_hf()
    weights = {name: tensor.bfloat16() for name, tensor in load_file(hf / "model.safetensors").items()}
    copied = {**weights, "decoder.weight": weights["model.embeddings.tok_embeddings.weight"].clone()}
    save_file(copied, hf / "model.safetensors")
    import_model(hf, tmp_path / "start")
    assert same_weights(hf, tmp_path / "start")
    assert model_weights(tmp_path / "start")["decoder.bias"].dtype == torch.bfloat16


def test_the_model_section_fits(tmp_path, save_hf):
    hf = save_hf(norm_eps=1e-6, embedding_dropout=0.1, hidden_activation="relu", local_attention=64)
    import_model(hf, tmp_path / "start")
    text = (tmp_path / "start" / "model.yaml").read_text()
    assert "rope_theta: {global: 160_000, local: 40_000}" in text
    assert "up to 256 tokens" in text
    section = yaml.safe_load(text)["model"]
    built = build_config(section, 416, {"pad": 0, "bos": 2, "eos": 1}, 256).to_dict()
    theirs = config_of(hf)
    for key in section:
        assert built[key] == theirs.get(key, 0.0), key
    # Every key of the architecture: nothing of another recipe's model is left when this one is merged over it.
    for key in ("vocab_size", "pad_token_id", "tie_word_embeddings", "classifier_pooling", "decoder_bias"):
        assert built[key] == theirs[key], key


def test_merged_with_a_checkpoint(tmp_path, save_hf):
    import_model(save_hf(), tmp_path / "start")
    export_run(tmp_path / "start", tmp_path / "other")
    merged = merge_models([tmp_path / "start", tmp_path / "other"], tmp_path / "merged", MergeMethod())
    assert same_weights(merged.exported.path, tmp_path / "start")


def test_an_encoder_alone_needs_a_new_head(tmp_path, save_hf):
    hf = save_hf()
    ModernBertModel.from_pretrained(hf).save_pretrained(hf)
    with pytest.raises(UserError) as error:
        import_model(hf, tmp_path / "start")
    assert "saved as ModernBertModel, without the head for masked words" in str(error.value)
    assert "head.dense.weight is missing; head.norm.weight is missing; decoder.bias is missing" in str(error.value)
    assert "give --new-head" in str(error.value)
    assert not (tmp_path / "start").exists()
    imported = import_model(hf, tmp_path / "start", new_head=True)
    assert "NEW HEAD" in imported.notes[0]
    weights = model_weights(tmp_path / "start")
    assert torch.equal(weights["head.norm.weight"], torch.ones(32))
    assert torch.equal(weights["decoder.bias"], torch.zeros(448))
    assert 0.01 < weights["head.dense.weight"].std() < 0.03
    encoder = ModernBertModel.from_pretrained(hf).state_dict()
    assert all(torch.equal(weights[f"model.{name}"], tensor) for name, tensor in encoder.items())
    again = import_model(hf, tmp_path / "again", new_head=True)
    assert same_weights(again.exported.path, tmp_path / "start")


def test_a_classifier(tmp_path, save_hf):
    hf = save_hf()
    weights = load_file(hf / "model.safetensors")
    del weights["decoder.bias"]
    save_file({**weights, "classifier.weight": torch.zeros(3, 32)}, hf / "model.safetensors")
    with pytest.raises(UserError, match=r"decoder\.bias is missing; classifier\.weight belongs to another head"):
        import_model(hf, tmp_path / "start")
    imported = import_model(hf, tmp_path / "start", new_head=True)
    assert imported.notes[0].endswith("decoder.bias, classifier.weight, left out")
    assert torch.equal(model_weights(tmp_path / "start")["head.dense.weight"], weights["head.dense.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w["decoder.bias"].fill_(torch.nan), r"NaN or infinite values in decoder\.bias"),
        (lambda w: w["model.layers.1.mlp.Wo.weight"].view(-1)[7:8].fill_(-torch.inf), r"layers\.1\.mlp\.Wo\.weight"),
        (lambda w: w.pop("model.layers.2.mlp.Wi.weight"), r"model\.layers\.2\.mlp\.Wi\.weight is missing"),
        (
            lambda w: w.update({"decoder.weight": w["model.embeddings.tok_embeddings.weight"] + 1}),
            r"decoder\.weight differs from the embedding",
        ),
        (lambda w: w.update({"decoder.bias": w["decoder.bias"].half()}), "weights mix"),
    ],
)
def test_bad_weights(tmp_path, save_hf, change, message):
    hf = save_hf()
    weights = {name: tensor.clone() for name, tensor in load_file(hf / "model.safetensors").items()}
    change(weights)
    save_file(weights, hf / "model.safetensors")
    with pytest.raises(UserError, match=message):
        import_model(hf, tmp_path / "start")
    assert not list(tmp_path.glob("*start*"))


def test_another_vocab_size(tmp_path, save_hf):
    hf = save_hf()
    edit_json(hf / "config.json", vocab_size=512)
    with pytest.raises(UserError, match=r"the embedding has 448 rows and config\.json says vocab_size 512"):
        import_model(hf, tmp_path / "start")


def test_a_truncated_file(tmp_path, save_hf):
    hf = save_hf()
    content = (hf / "model.safetensors").read_bytes()
    (hf / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="not a complete safetensors file"):
        import_model(hf, tmp_path / "start")


def test_a_full_disk_leaves_nothing(tmp_path, save_hf):
    hf = save_hf()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(UserError, match="start: File too large; nothing was left there"):
            import_model(hf, tmp_path / "start")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.glob("*start*"))
