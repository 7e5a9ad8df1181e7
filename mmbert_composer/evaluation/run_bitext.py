"""The tasks of kind ``bitext``: accuracy of Tatoeba's pairs, F1 of BUCC's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.bitext import Bitext, retrieve
from mmbert_composer.evaluation.bitext_scores import Mined, mine_top_one, tune_threshold
from mmbert_composer.evaluation.data.load_rows import load_rows
from mmbert_composer.evaluation.embed_texts import embed_texts
from mmbert_composer.evaluation.intrinsic.aligned_texts import find_tatoeba, read_tatoeba
from mmbert_composer.evaluation.load_encoder import Encoder, load_encoder
from mmbert_composer.evaluation.result_file import LanguageScore, Result
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Task


def run_bitext(task: Task, model_folder: Path, data: Path | None, settings: Settings) -> Result:
    """Score the model as it is on every language of the task that ``data`` has; None is the hub.

    Vectors are the first token's as in the task's source, or mean-pooled with ``--mend first-token``; Tatoeba's
    accuracy with the other pooling is in ``extra``.

    Raises UserError for data without pairs, or with other columns.
    """
    languages = bitext_languages(task, data, settings)
    pairs = {language: read_pairs(task, task.test, language, data) for language in languages}  # before the model
    encoder = load_encoder(model_folder, device=settings.device, trust_remote_code=settings.trust_remote_code)
    mended = settings.mend.intersection(task.oddities)
    pooling, other = ("mean", "first") if "first-token" in mended else ("first", "mean")
    length = settings.max_length or task.hyperparameters.max_length
    how: dict[str, Any] = {"pooling": pooling, "max_length": length}
    others: dict[str, float] = {}
    scores: dict[str, LanguageScore] = {}
    extra: dict[str, Any] = {}
    for number, (language, bitext) in enumerate(pairs.items(), 1):
        if task.metric == "f1":
            dev = read_pairs(task, task.dev, language, data) if task.dev and "bucc-no-threshold" in mended else None
            mined = mine(encoder, bitext, dev, how)
            scores[language] = LanguageScore(100 * mined.f1, None, len(bitext.source))
            extra[language] = [100 * mined.precision, 100 * mined.recall, mined.threshold]
        else:
            both = retrieve(encoder, bitext, (pooling, other), max_length=length)
            found, others[language] = both[pooling], 100 * both[other].accuracy
            scores[language] = LanguageScore(100 * found.accuracy, None, found.n)
            extra[language] = [100 * found.to_target, 100 * found.to_source]
        settings.say(f"{task.name}: {number} of {len(pairs)}, {language} {scores[language].score:.1f}")
    kind = "precision_recall_threshold" if task.metric == "f1" else "to_english_and_back"
    if others:
        mean = float(np.mean(list(others.values())))
        more = {f"{other}_pooling": {"score": mean, "by_language": others}}
        settings.say(f"{task.name}: with {other} pooling {mean:.1f}")
    else:
        more = {}
    return Result(
        metric=task.metric,
        score=float(np.mean([score.score for score in scores.values()])),
        spread=None,
        by_language=scores,
        extra={kind: extra, **more},
        hyperparameters=how,
        note=f"{task.note}; first-token vectors" if pooling == "first" else task.note,
    )


def bitext_languages(task: Task, data: Path | None, settings: Settings) -> tuple[str, ...]:
    """The languages to score: the row's on the hub, of a folder those that it has; of them those asked for."""
    known: Sequence[str] = task.languages
    if data is not None:
        head, _, _ = task.config.partition("{language}")
        folders = (data / task.hub).glob(f"{head}*") if (data / task.hub).is_dir() else ()
        known = sorted(path.name.removeprefix(head) for path in folders)
        if not known and task.name == "tatoeba":
            known = list(find_tatoeba(data))
        if not known:
            flat = ", nor tatoeba/tatoeba.AAA-eng.{AAA,eng}" if task.name == "tatoeba" else ""
            raise UserError(f"task {task.name}: {data} has no {task.hub}/{task.config}/{task.test}.jsonl{flat}")
    chosen = tuple(language for language in known if settings.languages is None or language in settings.languages)
    if not chosen:
        raise UserError(
            f"--languages: none of {', '.join(settings.languages or ())} is in {task.name}, which has "
            f"{', '.join(known)}"
        )
    return chosen


def read_pairs(task: Task, split: str, language: str, data: Path | None) -> Bitext:
    """The pairs of a language, source side first.

    Raises UserError where the two columns are not there.
    """
    if data is not None and not (data / task.hub).is_dir():
        return read_tatoeba(language, find_tatoeba(data)[language])
    rows = load_rows(task, split, language, data)
    for column in task.text:
        if not isinstance(rows[0].get(column), str):
            raise UserError(
                f"task {task.name}: {language}, {split}: no text in column {column!r}; found {', '.join(rows[0])}"
            )
    source, target = ([row[column] for row in rows] for column in task.text)
    return Bitext(language, source, target)


def mine(encoder: Encoder, test: Bitext, dev: Bitext | None, how: dict[str, Any]) -> Mined:
    """F1 on ``test``; the threshold tuned on ``dev``, or none."""
    threshold = None
    if dev is not None:
        threshold = tune_threshold(*_unified(encoder, dev, how))
    return mine_top_one(*_unified(encoder, test, how), threshold)


def _unified(encoder: Encoder, bitext: Bitext, how: dict[str, Any]) -> tuple[Any, Any, set[tuple[int, int]]]:
    """Vectors of the different source and target texts, and the gold pairs as their rows, as BUCC's scorer has them."""
    source, target = (dict.fromkeys(side) for side in (bitext.source, bitext.target))
    row_of = [{text: row for row, text in enumerate(side)} for side in (source, target)]
    gold = {(row_of[0][s], row_of[1][t]) for s, t in zip(bitext.source, bitext.target, strict=True)}
    return embed_texts(encoder, list(source), **how), embed_texts(encoder, list(target), **how), gold
