from mmbert_composer.data.tokenizer_settings import settings_for_both


def test_the_class_that_4_lacks():
    of_5 = {"tokenizer_class": "TokenizersBackend", "backend": "tokenizers", "is_local": True, "mask_token": "<mask>"}
    assert settings_for_both(of_5) == {"tokenizer_class": "PreTrainedTokenizerFast", "mask_token": "<mask>"}


def test_all_else_stays():
    settings = {"tokenizer_class": "GemmaTokenizerFast", "is_local": True}
    assert settings_for_both(settings) == settings
    assert settings_for_both({}) == {}
