"""Results as files: whole or not at all, found for exactly what they are of."""

from dataclasses import replace

import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.result_file import LanguageScore, Result, find_result, read_result, write_result

RESULT = Result(
    metric="f1",
    score=50.5,
    spread=1.5,
    by_language={"en": LanguageScore(60.0, 1.0, 10), "ti": LanguageScore(41.0, None, 7)},
    seeds=(1, 2),
    task="xquad",
    suite="xtreme",
    model="m",
    model_hash="a",
    data_hash="b",
    code_hash="c",
    settings={"languages": ["en", "ti"], "max_length": None},
    note="a note",
)


def test_round_trip(tmp_path):
    path = write_result(tmp_path / "m", RESULT)
    assert path == tmp_path / "m" / "xquad.json"
    assert read_result(path) == RESULT
    assert [file.name for file in path.parent.iterdir()] == ["xquad.json"]


def test_swept_results_stand_beside(tmp_path):
    write_result(tmp_path, RESULT)
    path = write_result(tmp_path, replace(RESULT, protocol="swept"))
    assert path.name == "xquad.swept.json"
    assert find_result(tmp_path, {"task": "xquad", "protocol": "default"}) == RESULT


@pytest.mark.parametrize(
    "other", [{"model_hash": "x"}, {"data_hash": "x"}, {"code_hash": "x"}, {"seeds": (1,)}, {"settings": {}}]
)
def test_another_hash_is_another_result(tmp_path, other):
    write_result(tmp_path, RESULT)
    wanted = {
        key: getattr(RESULT, key)
        for key in ("task", "protocol", "model_hash", "data_hash", "code_hash", "seeds", "settings")
    }
    assert find_result(tmp_path, wanted) == RESULT
    assert find_result(tmp_path, {**wanted, **other}) is None
    assert find_result(tmp_path, {**wanted, "task": "mlqa"}) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a result of mmbert eval run"),
        ("[]", "not a result of mmbert eval run"),
        ('{"format": 2}', "format 2; this version reads format 1"),
        ('{"format": 1}', "not a result of mmbert eval run"),
    ],
)
def test_other_files(tmp_path, content, message):
    path = tmp_path / "xquad.json"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        read_result(path)
