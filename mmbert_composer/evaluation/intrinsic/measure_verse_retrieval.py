"""The task ``verse_retrieval``: translations found among aligned verses of every language and English."""

from pathlib import Path

import numpy as np

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.bitext import retrieve
from mmbert_composer.evaluation.intrinsic.aligned_texts import PIVOT, read_verses, verse_bitexts
from mmbert_composer.evaluation.intrinsic.choose_documents import Known, all_documents
from mmbert_composer.evaluation.load_encoder import load_encoder
from mmbert_composer.evaluation.result_file import LanguageScore, Result
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Task

VERSES = 500
"""Of a pair of languages, at most."""


def measure_verse_retrieval(task: Task, model: Path, data: Path, settings: Settings) -> Result:
    """Mean over languages of the accuracy of both directions, 0..100.

    Raises UserError for data without ``verses``.
    """
    documents = [document for document in all_documents(data, settings.languages, {PIVOT}) if document.verses]
    if not documents:
        raise UserError(f"{task.name}: no document in {data} has `verses`, the ids of its lines that languages share")
    bitexts = verse_bitexts(read_verses(documents), VERSES)
    encoder = load_encoder(model, device=settings.device)
    length = settings.max_length or task.hyperparameters.max_length
    scores: dict[str, LanguageScore] = {}
    directions: dict[str, list[float]] = {}
    for number, bitext in enumerate(bitexts, 1):
        found = retrieve(encoder, bitext, max_length=length)
        scores[bitext.language] = LanguageScore(100 * found.accuracy, None, found.n)
        directions[bitext.language] = [100 * found.to_target, 100 * found.to_source]
        settings.say(f"{task.name}: {number} of {len(bitexts)}, {bitext.language} {100 * found.accuracy:.1f}")
    known = Known.of(model, data, settings.trained_on)
    trained = known.trained(documents)
    return Result(
        metric=task.metric,
        score=float(np.mean([score.score for score in scores.values()])),
        spread=None,
        by_language=scores,
        extra={"to_pivot_and_back": directions, "documents": len(documents), "trained_documents": trained},
        hyperparameters={"pooling": "mean", "max_length": length, "verses": VERSES},
        note=f"a probe, without tuning; {known.note(len(documents), trained)}",
    )
