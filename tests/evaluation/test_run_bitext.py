"""Tatoeba and BUCC on a tiny model: from the hub's schema and from the flat layout; oddities by option."""

import json
from pathlib import Path

import numpy as np
import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.bitext_scores import directed_accuracies
from mmbert_composer.evaluation.embed_texts import embed_texts
from mmbert_composer.evaluation.load_encoder import load_encoder
from mmbert_composer.evaluation.run_bitext import run_bitext
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.tasks.bitext import BITEXT

pytest_plugins = ("tiny_models",)

TATOEBA, BUCC = BITEXT
ENGLISH = [f"word{n} word{n + 1} word{(3 * n) % 50}" for n in range(12)]
GERMAN = [f"word{n} word{n + 1} word{n + 2}" for n in range(12)]


@pytest.fixture
def model(tiny_model, tiny_tokenizer):
    tiny_model(0).save_pretrained(tiny_tokenizer)
    return tiny_tokenizer


def settings(tmp_path, **more):
    return Settings(folder=tmp_path / "results", say=lambda line: None, **more)


def flat(folder: Path) -> Path:
    (folder / "tatoeba").mkdir(parents=True)
    for language in ("deu", "hye"):
        (folder / "tatoeba" / f"tatoeba.{language}-eng.{language}").write_text("\n".join(GERMAN) + "\n")
        (folder / "tatoeba" / f"tatoeba.{language}-eng.eng").write_text("\n".join(ENGLISH) + "\n")
    return folder


def as_on_the_hub(folder: Path, config: str, split: str, source, target, columns=TATOEBA.text) -> Path:
    place = folder / "google/xtreme" / config
    place.mkdir(parents=True, exist_ok=True)
    rows = [dict(zip(columns, pair, strict=True)) for pair in zip(source, target, strict=True)]
    (place / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_tatoeba(model, tmp_path):
    result = run_bitext(TATOEBA, model, flat(tmp_path / "flat"), settings(tmp_path))
    encoder = load_encoder(model)
    vectors = [embed_texts(encoder, texts, pooling="first") for texts in (GERMAN, ENGLISH)]
    there, back = (100 * share for share in directed_accuracies(*vectors))
    assert result.extra["to_english_and_back"]["deu"] == [there, back]
    assert result.by_language["deu"].score == pytest.approx((there + back) / 2)
    assert result.score == pytest.approx(np.mean([score.score for score in result.by_language.values()]))
    assert (set(result.by_language), result.by_language["hye"].n) == ({"deu", "hye"}, 12)
    assert "first-token vectors" in result.note
    hub = as_on_the_hub(tmp_path / "hub", "tatoeba.deu", "validation", GERMAN, ENGLISH)
    assert run_bitext(TATOEBA, model, hub, settings(tmp_path)).by_language["deu"] == result.by_language["deu"]
    mended = run_bitext(TATOEBA, model, hub, settings(tmp_path, mend=frozenset({"first-token"})))
    assert mended.hyperparameters["pooling"] == "mean"
    assert result.extra["mean_pooling"]["by_language"]["deu"] == mended.by_language["deu"].score
    assert mended.extra["first_pooling"]["score"] == result.by_language["deu"].score
    assert "first-token" not in mended.note
    only = run_bitext(TATOEBA, model, tmp_path / "flat", settings(tmp_path, languages=("hye",)))
    assert set(only.by_language) == {"hye"}


def test_bucc(model, tmp_path):
    # Ten equal texts, two pairs that do not belong together: without a threshold all twelve are taken.
    source = [*ENGLISH[:10], *GERMAN[10:]]
    target = [*ENGLISH[:10], "word55", "word56"]
    data = as_on_the_hub(tmp_path / "hub", "bucc18.de", "test", source, target)
    as_on_the_hub(data, "bucc18.de", "validation", source, target)
    plain = run_bitext(BUCC, model, data, settings(tmp_path))
    precision, recall, threshold = plain.extra["precision_recall_threshold"]["de"]
    assert (precision, threshold) == (recall, None)
    assert plain.by_language["de"].score == pytest.approx(precision)
    mended = run_bitext(BUCC, model, data, settings(tmp_path, mend=frozenset({"bucc-no-threshold"})))
    assert mended.extra["precision_recall_threshold"]["de"][2] is not None
    assert mended.score >= plain.score


def test_refusals(model, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"task tatoeba: .*empty has no google/xtreme/tatoeba.* nor tatoeba/tatoeba"):
        run_bitext(TATOEBA, model, tmp_path / "empty", settings(tmp_path))
    with pytest.raises(UserError, match="none of xxx is in tatoeba, which has deu, hye"):
        run_bitext(TATOEBA, model, flat(tmp_path / "flat"), settings(tmp_path, languages=("xxx",)))
    odd = as_on_the_hub(tmp_path / "odd", "bucc18.de", "test", GERMAN, ENGLISH, ("de", "en"))
    with pytest.raises(UserError, match="no text in column 'source_sentence'; found de, en"):
        run_bitext(BUCC, model, odd, settings(tmp_path))
