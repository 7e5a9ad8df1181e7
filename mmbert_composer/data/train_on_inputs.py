"""Train a tokenizer on the text of SPECs, with the same checks as ``prepare``."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmbert_composer.data.inputs.document import Document
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import InputSpec, parse_inputs
from mmbert_composer.data.ledger import Ledger
from mmbert_composer.data.tokenizer import train_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def train_on_inputs(
    inputs: Sequence[str],
    vocab_size: int,
    out: str | Path,
    *,
    options: ReadOptions | None = None,
    max_bad_fraction: float = 0.001,
) -> "PreTrainedTokenizerFast":
    """Train a tokenizer on the documents of ``inputs`` (SPECs) and save it as folder ``out``.

    Raises UserError as ``train_tokenizer`` does, and when more than ``max_bad_fraction`` of the lines are bad.
    """
    options = options or ReadOptions()
    return train_tokenizer(_checked_texts(parse_inputs(inputs, options), options, max_bad_fraction), vocab_size, out)


def _checked_texts(specs: Sequence[InputSpec], options: ReadOptions, max_bad_fraction: float) -> Iterator[str]:
    ledger = Ledger()
    for spec in specs:
        for record in spec.read(options):
            ledger.count(record)
            if isinstance(record, Document):
                yield record.text
    ledger.check(max_bad_fraction)
