"""Merging models on disk into a new Hugging Face folder."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmbert_composer.checkpoints.run_folder import RunFolder
from mmbert_composer.data.atomic_write import write_json
from mmbert_composer.export.export_model import Exported, ModelFiles, export_model
from mmbert_composer.export.model_card import ModelFacts
from mmbert_composer.export.model_source import ModelSource, open_model
from mmbert_composer.export.run_facts import run_facts
from mmbert_composer.merging.check_merge import check_merge
from mmbert_composer.merging.check_sources import check_sources, check_thetas
from mmbert_composer.merging.common_ancestor import doubts_about_base
from mmbert_composer.merging.explain_merge import EXPLANATION, explain_merge
from mmbert_composer.merging.explain_plot import explain_plot
from mmbert_composer.merging.find_thresholds import Trimming
from mmbert_composer.merging.merge_method import MergeMethod
from mmbert_composer.merging.scan_models import Scan, scan_models
from mmbert_composer.merging.stored_model import StoredModel, check_alike, open_stored_model
from mmbert_composer.merging.write_merge import write_merge

log = logging.getLogger(__name__)

RECORD = "merge.json"


@dataclass(frozen=True)
class Merged:
    """A merge that was written: its export and the content of its merge.json."""

    exported: Exported
    record: Mapping[str, Any]


def merge_models(
    models: Sequence[str | Path],
    out: str | Path,
    method: MergeMethod,
    *,
    base: str | Path | None = None,
    explain: bool = False,
) -> Merged:
    """Merge ``models`` (Hugging Face folders, checkpoints, run folders; mixed) into the new folder ``out``.

    Writes what an export writes (weights, config, tokenizer, card, checked by logits) and ``merge.json``; with
    ``explain`` also ``explain.json`` and ``explain.png``. Checkpoints of one folder are put in the order of their steps
    for ema; other lists are taken as given, oldest first.

    Raises:
        UserError: what ``check_merge`` refuses; models that do not belong together (names, shapes, architecture,
            rotary bases, tokenizers); NaN in one.
    """
    out = Path(out)
    check_merge(models, out, method, base)
    sources = [open_model(path) for path in models]
    if method.row.ordered:
        sources = _by_step(sources)
    origin = None if base is None else open_model(base)
    check_sources(sources, origin)
    check_thetas(sources)
    settings = {
        "method": method.method,
        "parameters": method.parameters(),
        "models": [str(model) for model in models],
        "base": None if base is None else str(base),
    }
    return merge_sources(sources, out, method, origin=origin, settings=settings, explain=explain)


def merge_sources(
    sources: Sequence[ModelSource],
    out: Path,
    method: MergeMethod,
    *,
    origin: ModelSource | None,
    settings: Mapping[str, Any],
    run: RunFolder | None = None,
    doubt_base: bool = True,
    replace_earlier: bool = False,
    explain: bool = False,
) -> Merged:
    """Merge opened ``sources`` with base ``origin`` into ``out``, under the config and tokenizer of the last.

    ``settings``: what was asked for, recorded to recognise this merge later. ``run``: the run folder that all come
    from, for the card and for short names in merge.json. ``doubt_base``: False where it is known to be their ancestor.
    """
    with ExitStack() as files:
        models = [open_stored_model(source.path, files) for source in sources]
        base = None if origin is None else open_stored_model(origin.path, files)
        check_alike([*models, *([base] if base else [])])
        log.info("merging %d models of %.0fM parameters", len(models), models[0].size / 1e6)
        trimming = None
        if method.density is not None and method.density < 1:
            trimming = Trimming(method.density, whole_model=method.trim == "model")
        all_products = method.needs_base or method.row.needs_products
        scan = scan_models(models, base, trimming, all_products=all_products)
        _warn(models, base, scan, doubt_base=doubt_base)
        record = {
            "format": 1,
            "method": method.method,
            "parameters": method.parameters(),
            "inputs": [_entry(source, weights, run) for source, weights in zip(sources, scan.hashes, strict=False)],
            "base": None if origin is None else _entry(origin, scan.hashes[-1], run),
            "settings": dict(settings),
        }

        def write(file: Path) -> None:
            facts = write_merge(models, base, method, scan, file, explain=explain)
            if explain:
                names = [short_name(source.path, run) for source in sources]
                of_base = None if origin is None else short_name(origin.path, run)
                content = explain_merge(names, of_base, scan, facts)
                write_json(file.parent / EXPLANATION, content)
                explain_plot(content, (file.parent / EXPLANATION).with_suffix(".png"))

        facts = ModelFacts(name=out.name, merge=record)
        if run is not None:
            facts = replace(run_facts(run, sources[-1].clock, merge=record), name=f"{run.path.resolve().name}, merged")
        exported = export_model(
            write,
            _files(sources),
            out,
            facts=facts,
            record={"source": RECORD},
            extra={RECORD: record},
            replace=replace_earlier,
        )
    return Merged(exported, record)


def _warn(models: Sequence[StoredModel], base: StoredModel | None, scan: Scan, *, doubt_base: bool) -> None:
    names = [model.name for model in models]
    if len(set(scan.hashes[: len(models)])) < len(models):
        log.warning("merge: some of the models hold the same weights: %s", names)
    if base is not None and doubt_base:
        for doubt in doubts_about_base(names, base.name, scan.products, scan.base_squares):
            log.warning("merge: %s; is this the model that the others were trained from?", doubt)


def _by_step(sources: list[ModelSource]) -> list[ModelSource]:
    if len({source.path.resolve().parent for source in sources}) > 1 or any(source.clock is None for source in sources):
        return sources
    return sorted(sources, key=lambda source: source.clock.batch if source.clock else 0)


def _files(sources: Sequence[ModelSource]) -> ModelFiles:
    last = sources[-1].files
    longest = max(source.files.max_seq_len for source in sources)
    return replace(last, max_seq_len=longest)


def _entry(source: ModelSource, weights: str, run: RunFolder | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": short_name(source.path, run), "hash": f"xxh3-128:{weights}"}
    if source.clock is not None:
        entry |= {"batch": source.clock.batch, "token": source.clock.token}
    return entry


def short_name(path: Path, run: RunFolder | None) -> str:
    """``path`` relative to the run folder if it lies in it, as given otherwise."""
    if run is not None and path.resolve().is_relative_to(run.path.resolve()):
        return path.resolve().relative_to(run.path.resolve()).as_posix()
    return str(path)
