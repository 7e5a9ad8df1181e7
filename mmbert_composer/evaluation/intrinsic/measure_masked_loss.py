"""The task ``masked_loss``: on texts, by any encoder; on held-out blocks of its own tokenizer, as in training."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.intrinsic.choose_documents import Known, all_documents, held_out_first
from mmbert_composer.evaluation.intrinsic.held_out_blocks import (
    StreamLoss,
    fits_blocks,
    held_out_block_losses,
    is_prepared,
    stream_scripts,
)
from mmbert_composer.evaluation.intrinsic.masked_loss import MaskedLoss, masked_losses, total
from mmbert_composer.evaluation.intrinsic.script_of import script_of
from mmbert_composer.evaluation.intrinsic.text_documents import TextDocument
from mmbert_composer.evaluation.load_encoder import load_encoder
from mmbert_composer.evaluation.result_file import LanguageScore, Result
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Task

DOCUMENTS = 8
"""Of a stream, at most."""

NOT_COMPARABLE = "nats per masked token: comparable between models of one tokenizer alone"


def measure_masked_loss(task: Task, model: Path, data: Path, settings: Settings) -> Result:
    """Mean over languages of the nats per masked token at ratio 0.15.

    Raises UserError for text without a token to mask, and models without a masked-LM head.
    """
    if is_prepared(data) and fits_blocks(model, data):
        return _on_blocks(task, model, data, settings)
    known = Known.of(model, data, settings.trained_on)
    documents = held_out_first(all_documents(data, settings.languages), DOCUMENTS, known)
    encoder = load_encoder(model, head="mlm", device=settings.device, trust_remote_code=settings.trust_remote_code)
    length = min(settings.max_length or task.hyperparameters.max_length, encoder.max_length)
    losses = masked_losses(encoder, documents, max_length=length, progress=_progress(task.name, settings))
    pairs = [(document, loss) for document, loss in zip(documents, losses, strict=True) if loss.masked]
    if not pairs:
        raise UserError(f"{task.name}: {data} has no text with a token to mask in the languages that were asked for")
    by_language = _grouped(pairs, lambda document: document.language)
    everything = total(loss for _, loss in pairs)
    trained = known.trained([document for document, _ in pairs])
    return Result(
        metric=task.metric,
        score=float(np.mean([loss.per_token for loss in by_language.values()])),
        spread=None,
        by_language={name: LanguageScore(loss.per_token, None, loss.masked) for name, loss in by_language.items()},
        extra={
            "bits_per_byte": float(np.mean([loss.bits_per_byte for loss in by_language.values()])),
            "bits_per_byte_by_language": {name: loss.bits_per_byte for name, loss in by_language.items()},
            "accuracy": 100 * everything.accuracy,
            "per_masked_token": everything.per_token,
            "by_script": _named(_grouped(pairs, lambda document: script_of(document.text))),
            "by_source": _named(_grouped(pairs, lambda document: document.source)),
            "documents": len(pairs),
            "trained_documents": trained,
            "forward": "padded",
        },
        hyperparameters={"max_length": length, "mask_ratio": 0.15, "documents_per_stream": DOCUMENTS},
        note=f"{known.note(len(pairs), trained)}; {NOT_COMPARABLE}; bits_per_byte in extra",
    )


def _on_blocks(task: Task, model: Path, data: Path, settings: Settings) -> Result:
    """As training measures it: the same blocks, masks and packed forward."""
    losses = {
        name: loss
        for name, loss in held_out_block_losses(model, data).items()
        if not settings.languages or _language(name) in settings.languages
    }
    if not losses:
        raise UserError(f"{task.name}: {data} has no held-out text of the languages that were asked for")
    scripts = stream_scripts(data, losses)
    by_language = _weighted(losses, _language)
    return Result(
        metric=task.metric,
        score=float(np.mean([loss.loss for loss in by_language.values()])),
        spread=None,
        by_language={name: LanguageScore(loss.loss, None, loss.masked) for name, loss in by_language.items()},
        extra={
            "accuracy": 100 * _weighted(losses, lambda name: "all")["all"].accuracy,
            "per_masked_token": _weighted(losses, lambda name: "all")["all"].loss,
            "by_script": {name: loss.loss for name, loss in _weighted(losses, lambda name: scripts[name]).items()},
            "by_source": {name: loss.loss for name, loss in _weighted(losses, _source).items()},
            "forward": "packed",
        },
        hyperparameters={"mask_ratio": 0.15},
        note=f"held out, blocks as in training; {NOT_COMPARABLE}",
    )


def _language(stream: str) -> str:
    return stream.rpartition("/")[2]


def _source(stream: str) -> str:
    return stream.rpartition("/")[0]


def _weighted(losses: Mapping[str, StreamLoss], group: Callable[[str], str]) -> dict[str, StreamLoss]:
    """Means over each group's masked tokens."""
    groups: dict[str, list[StreamLoss]] = defaultdict(list)
    for name, loss in losses.items():
        groups[group(name)].append(loss)
    result = {}
    for name, members in sorted(groups.items()):
        count = sum(loss.masked for loss in members)
        result[name] = StreamLoss(
            sum(loss.loss * loss.masked for loss in members) / count,
            sum(loss.accuracy * loss.masked for loss in members) / count,
            count,
        )
    return result


def _grouped(
    pairs: Sequence[tuple[TextDocument, MaskedLoss]], group: Callable[[TextDocument], str]
) -> dict[str, MaskedLoss]:
    groups: dict[str, list[MaskedLoss]] = defaultdict(list)
    for document, loss in pairs:
        groups[group(document)].append(loss)
    return {name: total(losses) for name, losses in sorted(groups.items())}


def _named(losses: Mapping[str, MaskedLoss]) -> dict[str, Any]:
    return {
        name: {"loss": loss.per_token, "bits_per_byte": loss.bits_per_byte, "masked": loss.masked}
        for name, loss in losses.items()
    }


def _progress(name: str, settings: Settings) -> Callable[[int, int], None]:
    said = 0

    def report(done: int, windows: int) -> None:
        nonlocal said
        if (tenth := 10 * done // windows) > said:
            said = tenth
            settings.say(f"{name}: {done:,} of {windows:,} windows")

    return report
