"""The task ``language_id``: a linear probe on mean-pooled embeddings."""

from collections import defaultdict
from pathlib import Path

from mmbert_composer.evaluation.embed_texts import embed_texts
from mmbert_composer.evaluation.intrinsic.choose_documents import Known, all_documents
from mmbert_composer.evaluation.intrinsic.language_probe import language_probe
from mmbert_composer.evaluation.intrinsic.text_documents import TextDocument
from mmbert_composer.evaluation.load_encoder import load_encoder
from mmbert_composer.evaluation.result_file import LanguageScore, Result
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Task

DOCUMENTS = 30
"""Of a language, at most; two thirds of them fit the probe."""


def measure_language_id(task: Task, model: Path, data: Path, settings: Settings) -> Result:
    """Mean recall of the languages, 0..100; split by document."""
    groups: dict[str, dict[int, TextDocument]] = defaultdict(dict)
    for document in all_documents(data, settings.languages):
        groups[document.language][document.hash] = document
    documents = [document for _, group in sorted(groups.items()) for _, document in sorted(group.items())[:DOCUMENTS]]
    length = min(settings.max_length or task.hyperparameters.max_length, task.hyperparameters.max_length)
    encoder = load_encoder(model, device=settings.device, trust_remote_code=settings.trust_remote_code)
    settings.say(f"{task.name}: {len(documents):,} documents in {len(groups)} languages")
    vectors = embed_texts(encoder, [document.text for document in documents], max_length=length)
    probed = language_probe(vectors, [document.language for document in documents])
    known = Known.of(model, data, settings.trained_on)
    trained = known.trained(documents)
    return Result(
        metric=task.metric,
        score=100 * probed.accuracy,
        spread=None,
        by_language={name: LanguageScore(100 * share, None, n) for name, (share, n) in probed.recall.items()},
        extra={
            "languages": len(probed.recall),
            "train_documents": probed.train_documents,
            "converged": probed.converged,
            "left_out": list(probed.left_out),
            "documents": len(documents),
            "trained_documents": trained,
        },
        hyperparameters={"pooling": "mean", "max_length": length, "documents_per_language": DOCUMENTS},
        note=f"a probe: the encoder stays as it is; its text: {known.note(len(documents), trained)}",
    )
