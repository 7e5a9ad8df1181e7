from mmbert_composer.merging.parameter_groups import group_parameters


def _names(tiny_model, layers):
    return [name for name in tiny_model(0, num_hidden_layers=layers).state_dict() if name != "decoder.weight"]


pytest_plugins = ("tiny_models",)


def test_every_parameter_is_in_one_group(tiny_model):
    names = _names(tiny_model, 7)
    groups = group_parameters(names)
    assert sorted(name for members in groups.values() for name in members) == sorted(names)
    assert list(groups) == [
        "embeddings",
        "layers 0-2 attention",
        "layers 0-2 MLP",
        "layers 3-4 attention",
        "layers 3-4 MLP",
        "layers 5-6 attention",
        "layers 5-6 MLP",
        "norms",
        "head",
    ]
    assert groups["embeddings"] == ["model.embeddings.tok_embeddings.weight"]
    assert groups["layers 3-4 MLP"] == [f"model.layers.{n}.mlp.{w}.weight" for n in (3, 4) for w in ("Wi", "Wo")]
    assert groups["head"] == ["head.dense.weight", "decoder.bias"]
    assert "model.final_norm.weight" in groups["norms"]
    assert "head.norm.weight" in groups["norms"]
    assert "model.embeddings.norm.weight" in groups["norms"]


def test_few_layers(tiny_model):
    assert list(group_parameters(_names(tiny_model, 1))) == [
        "embeddings",
        "layer 0 attention",
        "layer 0 MLP",
        "norms",
        "head",
    ]
    assert list(group_parameters(["decoder.bias"])) == ["head"]
