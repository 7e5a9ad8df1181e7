"""What an arm came to: held-out loss and verse retrieval, per language."""

import itertools
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.annealing.groups import PIVOTS
from mmbert_composer.evaluation.bitext_scores import directed_accuracies
from mmbert_composer.evaluation.embed_texts import embed_texts
from mmbert_composer.evaluation.intrinsic.held_out_blocks import held_out_block_losses
from mmbert_composer.evaluation.load_encoder import load_encoder

BLOCKS_PER_STREAM = 4
VERSES = 128
"""That retrieval is measured on: chance is 0.8 % where both languages have all of them."""


def measure(model: Path, data: Path, verses: Path) -> dict[str, Any]:
    """Figures of the Hugging Face folder ``model``, by language.

    ``loss``: nats per masked token of held-out text, mask ratio 0.15.
    ``retrieval``: share of verses of the reserved chapters whose nearest one by cosine is their translation, the mean
    over both directions and the pivots; embeddings are means over tokens of the last layer. ``retrieval_centred``: the
    same after the mean of each language was subtracted, which takes away what merely tells languages apart.
    """
    losses = held_out_block_losses(model, data, BLOCKS_PER_STREAM)
    plain, centred = _retrieval(model, json.loads(verses.read_text(encoding="utf-8")))
    return {
        "loss": {stream.partition("/")[2]: round(row.loss, 5) for stream, row in losses.items()},
        "retrieval": plain,
        "retrieval_centred": centred,
    }


def _retrieval(model: Path, verses: Mapping[str, Mapping[str, str]]) -> tuple[dict[str, float], dict[str, float]]:
    encoder = load_encoder(model, device="cpu")
    vectors: dict[str, dict[str, NDArray[np.float32]]] = {}
    chosen = _chosen(verses)
    for language, texts in sorted(verses.items()):
        ids = [key for key in chosen if texts.get(key, "").strip()]
        vectors[language] = dict(zip(ids, embed_texts(encoder, [texts[key] for key in ids]), strict=True))
    return _accuracies(vectors, centre=False), _accuracies(vectors, centre=True)


def _chosen(verses: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The verses that most languages have, spread over all such; sorted, so the choice is the same every time."""
    counts = Counter(key for texts in verses.values() for key in texts)
    most = max(counts.values())
    common = sorted(key for key, count in counts.items() if count >= most - 3)
    return [common[row] for row in np.unique(np.linspace(0, len(common) - 1, VERSES).astype(int))]


def _accuracies(vectors: Mapping[str, Mapping[str, NDArray[np.float32]]], *, centre: bool) -> dict[str, float]:
    means = {name: np.mean(list(rows.values()), axis=0) if centre else 0.0 for name, rows in vectors.items()}
    found: dict[str, list[float]] = {name: [] for name in vectors}
    for language, pivot in itertools.product(vectors, PIVOTS):
        if language == pivot:
            continue
        shared = [key for key in vectors[language] if key in vectors[pivot]]
        if len(shared) < VERSES // 2:  # chance would be another
            continue
        here = np.stack([vectors[language][key] for key in shared]) - means[language]
        there = np.stack([vectors[pivot][key] for key in shared]) - means[pivot]
        found[language] += directed_accuracies(here, there)
    return {name: round(float(np.mean(values)), 5) for name, values in found.items() if values}
