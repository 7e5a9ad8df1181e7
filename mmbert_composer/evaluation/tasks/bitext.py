"""Retrieval of translations without tuning: Tatoeba and BUCC as XTREME has them. Not in mmBERT's own tables."""

from mmbert_composer.evaluation.task import Hyperparameters, Task

_SOURCE = (
    "google-research/xtreme (languages, data); izhx/nlu-evals b8193ba (first token, cosine, no threshold); "
    "mmBERT's fork leaves both out"
)
_COLUMNS = ("source_sentence", "target_sentence")

_CODES = (
    "afr ara ben bul cmn deu ell est eus fin fra heb hin hun ind ita jav jpn kat kaz kor mal mar nld pes por rus "
    "spa swh tam tel tgl tha tur urd vie"
)
TATOEBA_LANGUAGES = tuple(_CODES.split())

BITEXT = (
    Task(
        name="tatoeba",
        suite="bitext",
        kind="bitext",
        metric="accuracy",
        description="sentences against English, 36 languages, or the pairs that are in the data",
        source=_SOURCE,
        hub="google/xtreme",
        config="tatoeba.{language}",
        train=None,
        text=_COLUMNS,
        languages=TATOEBA_LANGUAGES,
        hyperparameters=Hyperparameters(max_length=512),
        oddities=("first-token",),
        note="a probe, without tuning; mean of both directions (XTREME searches with English alone: in extra)",
    ),
    Task(
        name="bucc18",
        suite="bitext",
        kind="bitext",
        metric="f1",
        description="pairs mined from sentences against English, 4 languages",
        source=_SOURCE,
        hub="google/xtreme",
        config="bucc18.{language}",
        train=None,
        dev="validation",
        test="test",
        text=_COLUMNS,
        languages=("de", "fr", "ru", "zh"),
        hyperparameters=Hyperparameters(max_length=512),
        oddities=("first-token", "bucc-no-threshold"),
        note="a probe, without tuning; the hub's copy holds the pairs alone, so nothing is to be refused",
    ),
)
"""Rows of kind ``bitext``."""
