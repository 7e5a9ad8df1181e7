"""How well an encoder predicts masked tokens of texts: any transformers model with a masked-LM head."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.intrinsic.lm_head import lm_head
from mmbert_composer.evaluation.intrinsic.masked_windows import Window, WindowMasker, cut_windows
from mmbert_composer.evaluation.intrinsic.text_documents import TextDocument
from mmbert_composer.evaluation.length_batches import length_batches
from mmbert_composer.evaluation.load_encoder import Encoder

_ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class MaskedLoss:
    """Sums over masked tokens: of one document, or of many."""

    nats: float
    correct: int
    masked: int
    tokens: int
    """All tokens of the text that was read, special ones left out."""
    bytes: int
    """UTF-8 bytes of that text."""
    documents: int = 1

    @property
    def per_token(self) -> float:
        """Nats per masked token: comparable between models of one tokenizer alone."""
        return self.nats / self.masked

    @property
    def accuracy(self) -> float:
        """Share of masked tokens that the model names right, 0..1."""
        return self.correct / self.masked

    @property
    def bits_per_byte(self) -> float:
        """Bits per masked token over bytes per token, so that tokenizers of other sizes can be set side by side.

        Not the bits that would code the text: a masked model sees both sides, and a long token hides more of
        them when it is masked.
        """
        return self.per_token / math.log(2) * self.tokens / self.bytes


def total(losses: Iterable[MaskedLoss]) -> MaskedLoss:
    """The sums of several: each masked token counts the same."""
    losses = list(losses)
    return MaskedLoss(
        sum(loss.nats for loss in losses),
        sum(loss.correct for loss in losses),
        sum(loss.masked for loss in losses),
        sum(loss.tokens for loss in losses),
        sum(loss.bytes for loss in losses),
        sum(loss.documents for loss in losses),
    )


def masked_losses(
    encoder: Encoder,
    documents: Sequence[TextDocument],
    *,
    max_length: int = 512,
    tokens_at_once: int = 4096,
    progress: Callable[[int, int], None] | None = None,
) -> list[MaskedLoss]:
    """The loss of each document, in order; a text without a token to mask has ``masked`` 0.

    Args:
        encoder: loaded with its head.
        documents: longer ones are read in windows.
        max_length: tokens of a window; a model of fewer takes its own.
        tokens_at_once: of a batch.
        progress: called with (windows done, windows).

    Raises:
        UserError: a model without a head that is known, a tokenizer without a mask token, a loss that is not finite.
    """
    masker = WindowMasker(encoder.tokenizer, encoder.name)
    head = lm_head(encoder.model, encoder.name)
    windows, measured = cut_windows(encoder.tokenizer, documents, min(max_length, encoder.max_length))
    sums = np.zeros((3, len(documents)))
    done = 0
    for rows in length_batches([len(window.ids) for window in windows], tokens_at_once):
        batch = [windows[row] for row in rows]
        _add(encoder, head, masker, batch, documents, sums)
        done += len(batch)
        if progress is not None:
            progress(done, len(windows))
    if not np.isfinite(sums).all():
        raise UserError(f"{encoder.name}: its loss is not finite; its weights are damaged, or training diverged")
    return [
        MaskedLoss(float(nats), int(correct), int(masked), size.tokens, size.bytes)
        for (nats, correct, masked), size in zip(sums.T, measured, strict=True)
    ]


@torch.no_grad()
def _add(
    encoder: Encoder,
    head: Callable[[torch.Tensor], torch.Tensor],
    masker: WindowMasker,
    windows: Sequence[Window],
    documents: Sequence[TextDocument],
    sums: np.ndarray,
) -> None:
    """Add a batch's losses to ``sums`` [3, documents]: nats, right ones, masked tokens."""
    ids, attention, place, labels = masker.mask(windows, documents)
    if not len(place):
        return
    device = encoder.device
    hidden = encoder.model.base_model(
        input_ids=torch.from_numpy(ids).to(device), attention_mask=torch.from_numpy(attention).to(device)
    ).last_hidden_state
    chosen = hidden.reshape(-1, hidden.shape[-1])[torch.from_numpy(place).to(device)]
    targets = torch.from_numpy(labels).to(device)
    owner = np.array([window.document for window in windows])[place // ids.shape[1]]
    for start in range(0, len(place), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        logits = head(chosen[rows]).float()
        nats = cross_entropy(logits, targets[rows], reduction="none").double().cpu().numpy()
        right = (logits.argmax(-1) == targets[rows]).cpu().numpy()
        np.add.at(sums[0], owner[rows], nats)
        np.add.at(sums[1], owner[rows], right)
        np.add.at(sums[2], owner[rows], 1)
