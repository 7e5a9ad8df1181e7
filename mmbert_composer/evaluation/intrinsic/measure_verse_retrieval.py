"""The task ``verse_retrieval``: translations found among aligned verses of every language and one pivot."""

from pathlib import Path

import numpy as np

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.bitext import retrieve
from mmbert_composer.evaluation.intrinsic.aligned_texts import pivot_of, read_verses, verse_bitexts
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
    documents = [document for document in all_documents(data, None) if document.verses]
    if not documents:
        raise UserError(f"{task.name}: no document in {data} has `verses`, the ids of its lines that languages share")
    verses = read_verses(documents)
    bitexts = verse_bitexts(verses, VERSES, settings.languages)
    pivot = pivot_of(verses)
    used = {pivot, *(bitext.language for bitext in bitexts)}
    documents = [document for document in documents if document.language in used]
    encoder = load_encoder(model, device=settings.device, trust_remote_code=settings.trust_remote_code)
    length = settings.max_length or task.hyperparameters.max_length
    scores: dict[str, LanguageScore] = {}
    directions: dict[str, list[float]] = {}
    for number, bitext in enumerate(bitexts, 1):
        found = retrieve(encoder, bitext, ("mean",), max_length=length)["mean"]
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
        extra={
            "pivot": pivot,
            "to_pivot_and_back": directions,
            "documents": len(documents),
            "trained_documents": trained,
        },
        hyperparameters={"pooling": "mean", "max_length": length, "verses": VERSES},
        note=f"a probe, without tuning; verses against {pivot}; {known.note(len(documents), trained)}",
    )
