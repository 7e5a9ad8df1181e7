"""``mds:DIR``: text that was tokenized before, as mmBERT and Ettin publish it; a whole shard at a time."""

from collections.abc import Iterator

import numpy as np
import zstandard
from numpy.typing import NDArray

from mmbert_composer.data.inputs.document import Record, Skipped, TokenBatch
from mmbert_composer.data.inputs.files import open_file
from mmbert_composer.data.inputs.input_kind import InputKind
from mmbert_composer.data.inputs.mds_folders import Shard, find_mds, own_shards, shard_files, split_mds
from mmbert_composer.data.inputs.mds_shard import read_shard, token_column
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.token_rules import TokenRules
from mmbert_composer.data.inputs.token_sequences import TokenSequences
from mmbert_composer.data.inputs.unit import InputUnit
from mmbert_composer.errors import UserError


def read_mds(unit: InputUnit, options: ReadOptions, rules: TokenRules) -> Iterator[Record]:
    """The sequences of the unit's shards, a batch a shard, and those that cannot be trained on.

    A sequence without EOS at its end gets one. One that does not begin with BOS is a bad record: most of all it was
    made by another tokenizer. Raises UserError, naming the shard, when it is damaged and for an id that the tokenizer
    does not have.
    """
    assert unit.source is not None, "find_mds gives every unit a source"
    assert unit.language is not None, "and a language"
    source, language, stream = unit.source, unit.language, f"{unit.source}/{unit.language}"
    for path, sequences in read_sequences(unit, options):
        checked, skipped = check_sequences(sequences, rules, path, stream)
        yield from skipped
        if len(checked):
            yield TokenBatch(checked, language, source)


def read_sequences(unit: InputUnit, options: ReadOptions) -> Iterator[tuple[str, TokenSequences]]:
    """Path and sequences of each of the unit's shards."""
    for shard in own_shards(unit.path)[unit.begin : unit.end]:
        path, data = _read_file(unit.path, shard)
        try:
            yield path, read_shard(data, shard["samples"], token_column(shard, options.token_field, options.dtype))
        except ValueError as error:
            raise UserError(f"{path} is damaged ({error}): get it again") from None


def check_sequences(
    sequences: TokenSequences, rules: TokenRules, path: str, stream: str
) -> tuple[TokenSequences, list[Skipped]]:
    """The sequences that can be trained on, each from BOS to EOS, and those left out by reason.

    Raises UserError for an id that the tokenizer does not have.
    """
    tokens, starts, ends = sequences.tokens, sequences.starts, sequences.ends
    if len(tokens) and int(tokens.max()) >= rules.vocab_size:
        sample = int(np.searchsorted(ends, int(tokens.argmax()), side="right"))
        raise UserError(
            f"{path}: sample {sample} has the token id {int(tokens.max()):,}, and the tokenizer has "
            f"{rules.vocab_size:,} ids: these tokens were made by another one"
        )
    filled = ends > starts
    begins = np.zeros(len(ends), bool)
    begins[filled] = tokens[starts[filled]] == rules.bos
    closed = np.zeros(len(ends), bool)
    closed[filled] = tokens[ends[filled] - 1] == rules.eos
    content = ends - starts - begins - closed
    skipped = [
        *(Skipped("empty text", f"{path}:{number}", stream=stream) for number in np.flatnonzero(content < 1)),
        *(
            Skipped(
                "sequence without BOS",
                f"{path}:{number}",
                f"begins with {tokens[starts[number]]}, not with {rules.bos}: was it made by another tokenizer?",
                stream=stream,
            )
            for number in np.flatnonzero(~begins & (content > 0))
        ),
    ]
    keep = begins & (content > 0)
    if not keep.all():
        sequences = sequences.chosen(np.flatnonzero(keep))
        closed = closed[keep]
    if not closed.all():
        sequences = _closed(sequences, closed, rules.eos)
    return sequences, skipped


def _closed(sequences: TokenSequences, closed: NDArray[np.bool_], eos: int) -> TokenSequences:
    """EOS put behind the sequences that are not ``closed``."""
    tokens = np.insert(sequences.tokens, sequences.ends[~closed], np.uint32(eos))
    return TokenSequences(tokens, sequences.ends + np.cumsum(~closed))


def _read_file(folder: str, shard: Shard) -> tuple[str, bytes]:
    """Path and uncompressed bytes of a shard. Raises UserError when it is gone, cut short or no zstd."""
    for name, _, compressed in shard_files(shard):
        path = f"{folder}/{name}"
        try:
            with open_file(path) as file:
                data = file.read()
            if compressed:
                data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        except FileNotFoundError:
            continue
        except zstandard.ZstdError as error:
            raise UserError(f"{path} is damaged ({error}): get it again") from None
        expected = shard["raw_data"]["bytes"]
        if len(data) != expected:
            raise UserError(f"{path} holds {len(data):,} bytes instead of {expected:,}: get it again")
        return path, data
    raise UserError(f"{folder}: shard {shard['raw_data']['basename']} is gone: get it again")


MDS = InputKind("mds:DIR (tokenized before)", find_mds, split=split_mds, read_tokens=read_mds)
