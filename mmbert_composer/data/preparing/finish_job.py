"""The end of a job: its blocks become a part of the data, in steps that can all be done again after a kill.

Shards are renamed into the streams' folders, where no index names them yet; then every index and at last the manifest
are replaced. Everything is computed from the manifest that the job began with, never from a half-changed one.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmbert_composer.data.atomic_write import sync, write_text
from mmbert_composer.data.ledger import NAMED_LINES, Ledger
from mmbert_composer.data.manifest import FORMAT, HELD_OUT_FOLDER, Manifest, Part, StreamEntry, read_manifest
from mmbert_composer.data.mds_writer import INDEX_NAME, index_json, shard_name
from mmbert_composer.data.preparing.known_hashes import hash_file
from mmbert_composer.data.preparing.route_task import DONE_NAME
from mmbert_composer.data.preparing.task_runner import TaskRunner
from mmbert_composer.data.preparing.work_folder import WorkFolder
from mmbert_composer.data.tokenizer_files import tokenizer_facts
from mmbert_composer.errors import UserError

NO_TRAINING = "stream without a training document"


@dataclass(frozen=True)
class _Side:
    """What a job adds to one folder of a stream: training or held-out blocks."""

    documents: int = 0
    blocks: int = 0
    tokens: int = 0
    bytes: int = 0
    shards: tuple[tuple[Path, dict[str, Any]], ...] = ()
    """Where each shard was written, and its entry in an index; in order."""
    hashes: tuple[Path, ...] = ()
    """Files of its documents' hashes; end to end they ascend."""


@dataclass(frozen=True)
class _Addition:
    """What a job adds to a stream."""

    training: _Side
    held_out: _Side
    drops: Counter[str]
    """Of documents that were read and kept at first."""


def finish_job(runner: TaskRunner) -> Manifest:
    """Add the finished units to the data; then nothing is left of the job but its plan and hashes.

    Raises UserError when a unit is not done.
    """
    folder, plan, ledger = runner.folder, runner.plan, runner.routed.ledger
    left = runner.left(runner.units)
    if left:
        raise UserError(f"{len(left)} of {len(runner.units)} ranges of streams are not packed: {', '.join(left[:5])}")
    base = read_manifest(folder.base, folder.root) if folder.base.is_file() else None
    entries = dict[str, StreamEntry](base.streams if base else {})
    indexes: list[tuple[Path, str]] = []
    dropped = Counter(ledger.dropped)
    for stream, units in _units_by_stream(runner).items():
        old, routed = entries.get(stream, StreamEntry(stream)), runner.routed.streams[stream]
        addition = _addition(units, is_first=old.blocks == 0)
        kept = addition.training.documents + addition.held_out.documents
        assert routed.documents == kept + addition.drops.total(), f"documents of {stream} lost: {addition.drops}"
        dropped += addition.drops
        entry = _extended(old, addition, plan.part, plan.settings.block_size)
        entries[stream] = replace(
            entry,
            licence=_joined(old.licence, routed.licences),
            origin=_joined(old.origin, routed.origins),
        )
        indexes += _place(folder, stream, addition, old)
        _keep_hashes(folder.part(plan.part), stream, addition)
    for stream, drops in ledger.dropped_by_stream.items():
        old = entries.get(stream, StreamEntry(stream))
        entries[stream] = replace(old, drops=_summed(old.drops, drops))
    facts = tokenizer_facts(folder.tokenizer)
    manifest = Manifest(
        root=folder.root,
        format=FORMAT,
        block_size=plan.settings.block_size,
        tokenizer_hash=plan.tokenizer_hash,
        special_ids=facts.special_ids,
        vocab_size=facts.vocab_size,
        special_token_ids=facts.special_token_ids,
        streams=dict(sorted(entries.items())),
        ledger=_total(base.ledger if base else {}, ledger, dropped, entries.values()),
    )
    _commit(folder, indexes, manifest)
    folder.part(plan.part).mkdir(parents=True, exist_ok=True)  # a part that adds nothing has no hashes
    plan.save(folder.part(plan.part) / "plan.json")
    sweep(folder)
    return manifest


def sweep(folder: WorkFolder) -> None:
    """Remove what a finished job leaves nothing of."""
    folder.committing.unlink(missing_ok=True)
    for path in folder.passing:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _units_by_stream(runner: TaskRunner) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for unit in sorted(runner.units.values(), key=lambda unit: (unit.stream, unit.index)):
        found.setdefault(unit.stream, []).append(runner.folder.units / unit.name)
    return found


def _addition(units: list[Path], is_first: bool) -> _Addition:
    results = [json.loads((path / DONE_NAME).read_text(encoding="utf-8")) for path in units]
    training, held_out = (_side(units, results, name) for name in ("training", "heldout"))
    drops = sum((Counter(result["drops"]) for result in results), Counter[str]())
    if is_first and not training.blocks:
        # Held-out text of a stream that nobody can train on is of no use.
        drops[NO_TRAINING] = held_out.documents
        held_out = _Side()
    return _Addition(training, held_out, drops)


def _side(units: list[Path], results: list[dict[str, Any]], name: str) -> _Side:
    found = [result[name] for result in results]
    shards = [
        (unit / name / shard["raw_data"]["basename"], shard)
        for unit, side in zip(units, found, strict=True)
        for shard in side["shards"]
    ]
    total = [sum(side[key] for side in found) for key in ("documents", "blocks", "tokens", "bytes")]
    return _Side(*total, shards=tuple(shards), hashes=tuple(unit / f"hashes.{name}" for unit in units))


def _extended(old: StreamEntry, addition: _Addition, part: str, block_size: int) -> StreamEntry:
    training, held_out = addition.training, addition.held_out
    blocks, tokens = old.blocks + training.blocks, old.tokens + training.tokens
    added = [Part(part, training.blocks, training.documents, training.tokens)] if training.blocks else []
    return replace(
        old,
        parts=(*old.parts, *added),
        documents=old.documents + training.documents,
        tokens=tokens,
        blocks=blocks,
        fill=tokens / (blocks * block_size) if blocks else 0.0,
        bytes=old.bytes + training.bytes,
        drops=_summed(old.drops, addition.drops),
        shard_hashes={**old.shard_hashes, **_shard_hashes(training, len(old.shard_hashes))},
        heldout_documents=old.heldout_documents + held_out.documents,
        heldout_blocks=old.heldout_blocks + held_out.blocks,
        heldout_tokens=old.heldout_tokens + held_out.tokens,
        heldout_shard_hashes={**old.heldout_shard_hashes, **_shard_hashes(held_out, len(old.heldout_shard_hashes))},
    )


def _shard_hashes(side: _Side, first: int) -> dict[str, str]:
    return {shard_name(n): shard["raw_data"]["hashes"]["xxh64"] for n, (_, shard) in enumerate(side.shards, first)}


def _place(folder: WorkFolder, stream: str, addition: _Addition, old: StreamEntry) -> list[tuple[Path, str]]:
    """Rename the shards into the stream's folders, after those that are there; paths and texts of the new indexes."""
    indexes: list[tuple[Path, str]] = []
    for side, place, first in (
        (addition.training, folder.root / stream, len(old.shard_hashes)),
        (addition.held_out, folder.root / HELD_OUT_FOLDER / stream, len(old.heldout_shard_hashes)),
    ):
        if not side.shards:
            continue
        place.mkdir(parents=True, exist_ok=True)
        index = place / INDEX_NAME
        # An index that was replaced before a kill has ours already: only the first ones are the old ones.
        entries = json.loads(index.read_text(encoding="utf-8"))["shards"][:first] if first else []
        for number, (written, shard) in enumerate(side.shards, first):
            name = shard_name(number)
            if written.exists():
                written.rename(place / name)
            entries.append({**shard, "raw_data": {**shard["raw_data"], "basename": name}})
        indexes.append((index, index_json(entries)))
    return indexes


def _keep_hashes(part: Path, stream: str, addition: _Addition) -> None:
    for side, name in ((addition.training, "training"), (addition.held_out, "heldout")):
        if not side.documents:
            continue
        kept = hash_file(part, stream, name)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with kept.open("wb") as file:
            for path in filter(Path.is_file, side.hashes):
                with path.open("rb") as hashes:
                    shutil.copyfileobj(hashes, file)
        sync(kept)


def _total(
    before: Mapping[str, Any], ledger: Ledger, dropped: Counter[str], entries: Iterable[StreamEntry]
) -> dict[str, Any]:
    """The manifest's ledger: what all parts together read, kept and dropped."""
    entries = list(entries)
    training, held_out = (sum(entry.documents for entry in entries), sum(e.heldout_documents for e in entries))
    total = {
        "lines": before.get("lines", 0) + ledger.lines,
        "documents": before.get("documents", 0) + ledger.documents,
        "kept": training + held_out,
        "dropped": _summed(before.get("dropped", {}), dropped),
        "bad_lines": _summed(before.get("bad_lines", {}), ledger.bad_lines),
        "first_bad": [*before.get("first_bad", []), *ledger.first_bad][:NAMED_LINES],
        "training": training,
        "heldout": held_out,
    }
    assert total["documents"] == total["kept"] + sum(total["dropped"].values()), f"documents lost: {total}"
    return total


def _commit(folder: WorkFolder, indexes: list[tuple[Path, str]], manifest: Manifest) -> None:
    if folder.base.is_file():  # readers of the old data must not mistake a mixture for either
        folder.committing.touch()
        sync(folder.state)
    for path, text in indexes:
        write_text(path, text)
    manifest.save()


def _summed(old: Mapping[str, int], new: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted((Counter(old) + Counter(new)).items()))


def _joined(old: str, new: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys([*filter(None, old.split("; ")), *new]))
