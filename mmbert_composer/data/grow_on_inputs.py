"""Grow a tokenizer on the text of SPECs, with the same checks as ``prepare``, and measure what that brought."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mmbert_composer.data.atomic_write import write_json
from mmbert_composer.data.grow_tokenizer import Growth, check_growth, grow_tokenizer
from mmbert_composer.data.inputs.document import Document
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import InputSpec, parse_inputs
from mmbert_composer.data.ledger import Ledger
from mmbert_composer.data.text_sample import sample_texts
from mmbert_composer.data.token_coverage import Coverage, coverage_json, measure_coverage
from mmbert_composer.data.tokenizer_files import TokenizerFiles
from mmbert_composer.errors import UserError

COVERAGE = "coverage.json"
MAX_CHARACTERS = 50_000_000
"""More text is sampled down to this."""
_MEASURED = 1_000_000
"""Characters of a language that coverage is measured on."""


@dataclass(frozen=True)
class GrownOnInputs:
    """What ``grow_on_inputs`` did."""

    growth: Growth
    before: dict[str, Coverage]
    after: dict[str, Coverage]


def grow_on_inputs(
    tokenizer: str | Path,
    inputs: Sequence[str],
    num_tokens: int,
    out: str | Path,
    *,
    options: ReadOptions | None = None,
    max_bad_fraction: float = 0.001,
    show_progress: bool = False,
) -> GrownOnInputs:
    """Grow ``tokenizer`` on the documents of ``inputs`` (SPECs), save it as ``out`` with ``coverage.json`` in it.

    Raises UserError as ``grow_tokenizer`` does, and when more than ``max_bad_fraction`` of the lines are bad.
    """
    options = options or ReadOptions()
    files = check_growth(tokenizer, num_tokens, out)
    specs = parse_inputs(inputs, options)
    tagged = sample_texts(_tagged_texts(specs, options, max_bad_fraction), MAX_CHARACTERS)
    if not tagged:
        raise UserError("no text to grow a tokenizer on: the input gave no document")
    texts: dict[str, list[str]] = {}
    for text in tagged:
        language, _, content = text.partition("\n")
        texts.setdefault(language, []).append(content)
    every = [text for language in sorted(texts) for text in texts[language]]
    columns = (TextColumn("new tokens"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # In a log file a bar had better not begin.
    with Progress(*columns, disable=not (show_progress and Console().is_terminal), transient=True) as progress:
        task = progress.add_task("", total=num_tokens)
        growth = grow_tokenizer(files, every, num_tokens, out, advance=lambda: progress.advance(task))
    measured = {language: sample_texts(own, _MEASURED) or own[:1] for language, own in sorted(texts.items())}
    before, after = measure_coverage(files, measured), measure_coverage(TokenizerFiles(out), measured)
    write_json(Path(out) / COVERAGE, _record(files, TokenizerFiles(out), growth, before, after), indent=2)
    return GrownOnInputs(growth, before, after)


def _tagged_texts(specs: Sequence[InputSpec], options: ReadOptions, max_bad_fraction: float) -> Iterator[str]:
    """Every text behind its language and a line break: the sample depends on both."""
    ledger = Ledger()
    for spec in specs:
        for record in spec.read(options):
            ledger.count(record)
            if isinstance(record, Document):
                yield f"{record.stream.rpartition('/')[2]}\n{record.text}"
    ledger.check(max_bad_fraction)


def _record(
    old: TokenizerFiles, new: TokenizerFiles, growth: Growth, before: dict[str, Coverage], after: dict[str, Coverage]
) -> dict[str, Any]:
    return {
        "format": 1,
        "tokenizer_hash": {"before": old.hash, "after": new.hash},
        "vocab_size": {"before": old.vocab_size, "after": new.vocab_size},
        "new_tokens": {
            "total": len(growth.tokens),
            "merges": sum(token.merge is not None for token in growth.tokens.values()),
            "characters": sum(token.merge is None for token in growth.tokens.values()),
            "in_padding": growth.padding,
            "in_placeholders": growth.placeholders,
        },
        "embedding_rows": {"before": growth.rows, "after": growth.rows_after},
        "languages": coverage_json(before, after),
    }
