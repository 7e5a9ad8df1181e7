"""A yardstick for held-out loss: what knowing each language's token frequencies alone would give."""

from pathlib import Path

import numpy as np
from streaming import LocalDataset

from mmbert_composer.data.held_out_loader import HeldOutLoader
from mmbert_composer.data.manifest import load_manifest


def unigram_losses(
    root: str | Path, streams: list[str], *, blocks_per_stream: int = 64
) -> dict[str, tuple[float, int]]:
    """{stream: (mean loss in nats, tokens)} of a unigram model per stream, on the held-out loss's masked tokens.

    Each model is fitted on its stream's training blocks, smoothed with the uniform distribution by Witten
    and Bell's rule: p(w) = (c(w) + T / V) / (N + T), T the number of types seen.
    """
    manifest = load_manifest(root)
    held_out = HeldOutLoader(root, streams, batch_size=1, blocks_per_stream=blocks_per_stream)
    labels: dict[str, list[np.ndarray]] = {name: [] for name in held_out.streams}
    for batch in held_out:
        row = batch["labels"].numpy()
        labels[held_out.streams[int(batch["streams"][0])]].append(row[row >= 0])
    ordinary = np.ones(manifest.vocab_size, bool)
    ordinary[list(manifest.special_token_ids)] = False
    losses: dict[str, tuple[float, int]] = {}
    for name, rows in labels.items():
        blocks = LocalDataset(str(manifest.stream_folder(name)))
        counts = np.zeros(manifest.vocab_size)
        for index in range(len(blocks)):
            counts += np.bincount(blocks[index]["input_ids"], minlength=manifest.vocab_size)
        counts[~ordinary] = 0
        types = (counts > 0).sum()
        log_p = np.log((counts + types / ordinary.sum()) / (counts.sum() + types))
        wanted = np.concatenate(rows)
        losses[name] = (float(-log_p[wanted].mean()), len(wanted))
    return losses
