import numpy as np
import pytest

from mmbert_composer.curriculum.temperature_shares import temperature_shares
from mmbert_composer.planning.published_counts import PHASES, corpus_tokens


def served(corpus: dict[str, float], joins: dict[str, str]) -> dict[str, dict[str, int]]:
    """A table as the authors counted it: what each phase serves of a corpus under its tau."""
    totals = {"pretrain": 1e9, "ext": 4e8, "decay-eng": 1e7, "decay-mid": 1e7, "decay-all": 1e8}
    taus = {"pretrain": 0.7, "ext": 0.5, "decay-eng": 0.3, "decay-mid": 0.3, "decay-all": 0.3}
    table = {language: dict.fromkeys(PHASES, 0) for language in corpus}
    for phase in PHASES:
        names = [name for name in corpus if PHASES.index(joins[name]) <= PHASES.index(phase)]
        shares = temperature_shares(np.array([corpus[name] for name in names]), taus[phase])
        for name, share in zip(names, shares, strict=True):
            table[name][phase] = round(share * totals[phase])
    return table


def test_sampling_is_undone():
    """Languages of pretraining and of ext come back in their proportions, whichever phase they are known from."""
    corpus = {"aaa": 8e11, "bbb": 1e10, "ccc": 2e9, "ddd": 5e9, "eee": 9e8}
    joins = {"aaa": "pretrain", "bbb": "pretrain", "ccc": "pretrain", "ddd": "ext", "eee": "ext"}
    table = served(corpus, joins)
    found = corpus_tokens(table)
    ratios = [found[name] / corpus[name] for name in corpus]
    assert max(ratios) / min(ratios) == pytest.approx(1, rel=1e-3)
    assert all(found[name] >= 0.999 * table[name]["pretrain"] for name in corpus)
    assert found["ccc"] == pytest.approx(table["ccc"]["pretrain"], rel=1e-6)  # the least scale without repetition


def test_english_and_code_are_of_other_sources_and_late_languages_count_as_served():
    table = {
        "eng": dict.fromkeys(PHASES, 10**9),
        "code": dict.fromkeys(PHASES, 10**8),
        "aaa": dict.fromkeys(PHASES, 10**7),
        "zzz": dict.fromkeys(PHASES, 0) | {"decay-all": 216},
    }
    assert corpus_tokens(table) == {"aaa": 10**7, "zzz": 216}
