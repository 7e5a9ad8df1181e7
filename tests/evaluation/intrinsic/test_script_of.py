import pytest

from mmbert_composer.evaluation.intrinsic.script_of import script_of


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("All human beings", "Latin"),
        ("Все люди, all", "Cyrillic"),
        ("सभी मनुष्य", "Devanagari"),
        ("すべての人間は、自由", "Japanese"),
        ("人人生而自由", "Han"),
        ("모든 인간은", "Hangul"),
        ("12:34 -- !", "none"),
        ("", "none"),
    ],
)
def test_script_of_most_letters(text, script):
    assert script_of(text) == script
