"""Retrieval of translations on aligned texts: what the bitext tasks, the intrinsic suite and training measure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmbert_composer.evaluation.bitext_scores import directed_accuracies, retrieval_accuracy
from mmbert_composer.evaluation.embed_texts import embed_texts
from mmbert_composer.evaluation.load_encoder import Encoder

__all__ = ["Bitext", "Retrieved", "retrieval_accuracy", "retrieve"]


@dataclass(frozen=True)
class Bitext:
    """Aligned texts: ``source[i]``, of ``language``, is the translation of ``target[i]``."""

    language: str
    source: Sequence[str]
    target: Sequence[str]


@dataclass(frozen=True)
class Retrieved:
    """Accuracies in 0..1 of one bitext of ``n`` pairs."""

    to_target: float
    to_source: float
    n: int

    @property
    def accuracy(self) -> float:
        """Mean of both directions."""
        return (self.to_target + self.to_source) / 2


def retrieve(encoder: Encoder, bitext: Bitext, **how: Any) -> Retrieved:
    """Top-1 accuracy by cosine in both directions; ``how`` goes to ``embed_texts``."""
    source = embed_texts(encoder, bitext.source, **how)
    target = embed_texts(encoder, bitext.target, **how)
    return Retrieved(*directed_accuracies(source, target), len(source))
