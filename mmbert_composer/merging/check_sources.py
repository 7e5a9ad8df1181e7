"""Whether models belong together, in what the shapes of their weights do not show."""

import filecmp
from collections.abc import Sequence
from pathlib import Path

from mmbert_composer.curriculum.phase import RopeTheta
from mmbert_composer.data.tokenizer_files import tokenizer_hash
from mmbert_composer.errors import UserError
from mmbert_composer.export.model_source import ModelSource

_SAME = (
    "vocab_size",
    "num_attention_heads",
    "num_hidden_layers",
    "global_attn_every_n_layers",
    "local_attention",
    "hidden_activation",
    "norm_eps",
)
"""Keys of the config that decide how weights are used. The vocabulary's size does show, but among many shapes."""


def check_sources(sources: Sequence[ModelSource], origin: ModelSource | None) -> None:
    """Raise a UserError naming every difference in architecture or tokenizer, of the base ``origin`` too."""
    first = sources[0]
    faults = []
    for source in [*sources[1:], *([origin] if origin else [])]:
        for key in _SAME:
            ours, theirs = first.files.config.get(key), source.files.config.get(key)
            if ours is not None and theirs is not None and ours != theirs:
                faults.append(f"{key} is {ours} in {first.path} and {theirs} in {source.path}")
        if not _same_tokenizer(first.files.tokenizer, source.files.tokenizer):
            faults.append(f"{first.path} and {source.path} have different tokenizers")
    if faults:
        raise UserError(f"merge: the models do not belong together: {'; '.join(faults)}")


def check_thetas(sources: Sequence[ModelSource]) -> None:
    """Raise a UserError if the models were trained with different rotary bases."""
    if len({source.files.rope_theta for source in sources}) > 1:
        shown = "; ".join(f"{source.path}: {_shown(source.files.rope_theta)}" for source in sources)
        raise UserError(
            f"merge: the models were trained with different RoPE theta ({shown}); merge models of one phase"
        )


def _same_tokenizer(one: Path, other: Path) -> bool:
    """Files that are the same need no parsing: that takes a second each at 256k tokens."""
    names = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
    if all(_same_file(one / name, other / name) for name in names):
        return True
    return tokenizer_hash(one) == tokenizer_hash(other)


def _same_file(one: Path, other: Path) -> bool:
    if not (one.is_file() and other.is_file()):
        return one.exists() == other.exists()
    return filecmp.cmp(one, other, shallow=False)


def _shown(theta: RopeTheta) -> str:
    return f"global {theta.global_theta:,.0f}, local {theta.local_theta:,.0f}"
