"""Merging models on disk into a new Hugging Face folder."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmbert_composer.checkpoints.run_folder import RunFolder
from mmbert_composer.curriculum.phase import RopeTheta
from mmbert_composer.data.tokenizer_files import tokenizer_hash
from mmbert_composer.errors import UserError
from mmbert_composer.export.export_model import Exported, ModelFiles, export_model
from mmbert_composer.export.model_card import ModelFacts
from mmbert_composer.export.model_source import ModelSource, open_model
from mmbert_composer.export.run_facts import run_facts
from mmbert_composer.merging.merge_method import MergeMethod
from mmbert_composer.merging.merge_weights import NamedWeights, merge_weights, read_weights

log = logging.getLogger(__name__)

RECORD = "merge.json"

# What decides how weights are used and does not show in their shapes.
_SAME = (
    "num_attention_heads",
    "num_hidden_layers",
    "global_attn_every_n_layers",
    "local_attention",
    "hidden_activation",
    "norm_eps",
)


@dataclass(frozen=True)
class Merged:
    """A merge that was written: its export and the content of its merge.json."""

    exported: Exported
    record: Mapping[str, Any]


def merge_models(
    models: Sequence[str | Path], out: str | Path, method: MergeMethod, *, base: str | Path | None = None
) -> Merged:
    """Merge ``models`` (Hugging Face folders, checkpoints, run folders; mixed) into the new folder ``out``.

    Writes what an export writes (weights, config, tokenizer, card, checked by logits) and ``merge.json``. Checkpoints
    of one folder are put in the order of their steps for ema; other lists are taken as given, oldest first.

    Raises:
        UserError: an existing output, fewer than two models (ties: one), models that do not belong together (names,
            shapes, architecture, rotary bases, tokenizers), NaN in one.
    """
    out = Path(out)
    if out.exists():
        raise UserError(f"{out}: exists already; choose another output folder or remove it")
    if len(models) < (1 if method.needs_base else 2):
        raise UserError(f"merge: {len(models)} model given; method={method.method} needs two or more")
    if base is not None and not method.needs_base:
        raise UserError(f"merge: a base is for method=ties; {method.method} averages the models themselves")
    method.check_count(len(models))
    sources = _by_step([open_model(path) for path in models])
    origin = None if base is None else open_model(base)
    check_sources(sources, origin)
    thetas = {source.files.rope_theta for source in sources}
    if len(thetas) > 1:
        shown = "; ".join(f"{source.path}: {_shown(source.files.rope_theta)}" for source in sources)
        raise UserError(
            f"merge: the models were trained with different RoPE theta ({shown}); merge models of one phase"
        )
    return merge_sources(sources, out, method, origin=origin)


def merge_sources(
    sources: Sequence[ModelSource],
    out: Path,
    method: MergeMethod,
    *,
    origin: ModelSource | None,
    run: RunFolder | None = None,
    settings: Mapping[str, Any] | None = None,
    replace_earlier: bool = False,
) -> Merged:
    """Merge opened ``sources`` with base ``origin`` into ``out``, under the config and tokenizer of the last.

    ``run``: the run folder that all come from, for the card and for short names in merge.json. ``settings``: what
    was asked for, recorded to recognise this merge later.
    """
    named = [read_weights(str(source.path), source.weights()) for source in sources]
    named_origin = None if origin is None else read_weights(str(origin.path), origin.weights())
    if len({model.hash for model in named}) < len(named):
        log.warning("merge: some of the models hold the same weights: %s", [model.name for model in named])
    merged = merge_weights(named, method, named_origin)
    record = {
        "format": 1,
        "method": method.method,
        "parameters": method.parameters(),
        "inputs": [_entry(source, model, run) for source, model in zip(sources, named, strict=True)],
        "base": None if origin is None or named_origin is None else _entry(origin, named_origin, run),
        "settings": dict(settings or {}),
    }
    facts = ModelFacts(name=out.name, merge=record)
    if run is not None:
        facts = replace(run_facts(run, sources[-1].clock, merge=record), name=f"{run.path.resolve().name}, merged")
    exported = export_model(
        merged,
        _files(sources),
        out,
        facts=facts,
        record={"source": RECORD},
        extra={RECORD: record},
        replace=replace_earlier,
    )
    return Merged(exported, record)


def check_sources(sources: Sequence[ModelSource], origin: ModelSource | None) -> None:
    """Raise a UserError naming every difference in architecture or tokenizer that shapes do not show."""
    first = sources[0]
    faults = []
    for source in [*sources[1:], *([origin] if origin else [])]:
        for key in _SAME:
            ours, theirs = first.files.config.get(key), source.files.config.get(key)
            if ours is not None and theirs is not None and ours != theirs:
                faults.append(f"{key} is {ours} in {first.path} and {theirs} in {source.path}")
        if tokenizer_hash(source.files.tokenizer) != tokenizer_hash(first.files.tokenizer):
            faults.append(f"{first.path} and {source.path} have different tokenizers")
    if faults:
        raise UserError(f"merge: the models do not belong together: {'; '.join(faults)}")


def _by_step(sources: list[ModelSource]) -> list[ModelSource]:
    if len({source.path.resolve().parent for source in sources}) > 1 or any(source.clock is None for source in sources):
        return sources
    return sorted(sources, key=lambda source: source.clock.batch if source.clock else 0)


def _files(sources: Sequence[ModelSource]) -> ModelFiles:
    last = sources[-1].files
    longest = max(source.files.max_seq_len for source in sources)
    return replace(last, max_seq_len=longest)


def _entry(source: ModelSource, weights: NamedWeights, run: RunFolder | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": short_name(source.path, run), "hash": f"xxh3-128:{weights.hash}"}
    if source.clock is not None:
        entry |= {"batch": source.clock.batch, "token": source.clock.token}
    return entry


def short_name(path: Path, run: RunFolder | None) -> str:
    """``path`` relative to the run folder if it lies in it, as given otherwise."""
    if run is not None and path.resolve().is_relative_to(run.path.resolve()):
        return path.resolve().relative_to(run.path.resolve()).as_posix()
    return str(path)


def _shown(theta: RopeTheta) -> str:
    return f"global {theta.global_theta:,.0f}, local {theta.local_theta:,.0f}"
