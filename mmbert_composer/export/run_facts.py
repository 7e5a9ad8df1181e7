"""What a run folder says for the model card of one of its checkpoints."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmbert_composer.checkpoints.read_checkpoint import Clock
from mmbert_composer.checkpoints.run_folder import RunFolder
from mmbert_composer.data.manifest import MANIFEST_NAME
from mmbert_composer.export.model_card import ModelFacts


def run_facts(run: RunFolder, clock: Clock | None, *, merge: dict[str, Any] | None = None) -> ModelFacts:
    """Facts at ``clock`` (None: the end of the run): phases so far, tokens by language, the last held-out loss."""
    batch = None if clock is None else clock.batch
    languages = last_event(run.path / "metrics.jsonl", "languages", batch)
    streams = {} if languages is None else languages.get("streams") or {}
    load_path = run.config.get("load_path")
    origin = origin_facts(Path(str(load_path)), Path(str(load_path)).name) if load_path else ModelFacts(name="")
    return ModelFacts(
        name=str(run.config.get("run_name") or run.path.resolve().name),
        phases=run.phases_until(clock.token if clock else None),
        token=clock.token if clock else None,
        tokens_real={name: entry["tokens_real"] for name, entry in streams.items() if entry["tokens_real"]},
        held_out=last_event(run.path / "metrics.jsonl", "eval", batch),
        merge=merge,
        started_from=origin.started_from or origin.name or None,
        licences=source_notes(run, "licence"),
        origins=source_notes(run, "origin"),
    )


def origin_facts(folder: Path, name: str) -> ModelFacts:
    """Facts about a Hugging Face folder: what ``import.json`` says of an imported one, else the ``name`` alone."""
    file = folder / "import.json"
    if not file.is_file():
        return ModelFacts(name=name)
    record = json.loads(file.read_text(encoding="utf-8"))
    return ModelFacts(name=name, started_from=record["source"], licence=record["licence"])


def source_notes(run: RunFolder, key: str) -> dict[str, tuple[str, ...]]:
    """Of each source, the notes under ``key`` ("licence", "origin") of its streams in the manifest of the run's data.

    Empty where the data is not at hand.
    """
    root = (run.config.get("data") or {}).get("root")
    if root is None or not (Path(str(root)) / MANIFEST_NAME).is_file():
        return {}
    manifest = json.loads((Path(str(root)) / MANIFEST_NAME).read_text(encoding="utf-8"))
    notes: dict[str, set[str]] = {}
    for name, entry in manifest["streams"].items():
        if entry.get(key):
            notes.setdefault(name.rpartition("/")[0], set()).update(entry[key].split("; "))
    return {source: tuple(sorted(found)) for source, found in sorted(notes.items())}


def last_event(metrics: Path, event: str, until_batch: int | None) -> dict[str, Any] | None:
    """The last line of metrics.jsonl with ``"event": event`` at a step of at most ``until_batch``, or None."""
    found = None
    for line in _lines(metrics):
        if line.get("event") == event and (until_batch is None or line["batch"] <= until_batch):
            found = line
    return found


def _lines(metrics: Path) -> Iterator[dict[str, Any]]:
    if not metrics.is_file():
        return
    with metrics.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            if '"event"' not in text:
                continue
            try:
                yield json.loads(text)
            except json.JSONDecodeError:
                continue  # a killed process leaves half a line; its step is written again by the next one
