"""Exporting a run's checkpoint with nothing but the files in the run folder."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmbert_composer.checkpoints.read_checkpoint import Clock
from mmbert_composer.export.atomic_folder import remove_partial
from mmbert_composer.export.export_model import RECORD, Exported, export_model
from mmbert_composer.export.model_source import ModelSource, newest_in, open_model
from mmbert_composer.export.run_facts import origin_facts, run_facts

log = logging.getLogger(__name__)


def export_run(
    run_folder: str | Path, out: str | Path, checkpoint: str | Path | None = None, *, replace: bool = False
) -> Exported:
    """Export the newest whole checkpoint of ``run_folder`` (or ``checkpoint``, a file in it) to the folder ``out``.

    The rotary bases are those of the phase the checkpoint was trained in last, the longest sequence that of the
    phases it has seen. ``replace`` takes the place of an earlier export.
    """
    return export_source(open_model(run_folder if checkpoint is None else checkpoint), out, replace=replace)


def export_source(source: ModelSource, out: str | Path, *, replace: bool = False) -> Exported:
    """Export an opened model; see ``export_run``."""
    name = Path(out).name
    facts = origin_facts(source.path, name) if source.run is None else run_facts(source.run, source.clock)
    record = export_record(source.path.name, source.clock)
    return export_model(source.weights(), source.files, out, facts=facts, record=record, replace=replace)


def export_record(source: str, clock: Clock | None) -> dict[str, Any]:
    """What export.json says about where the weights come from."""
    return {"source": source} if clock is None else {"source": source, "batch": clock.batch, "token": clock.token}


def ensure_export(run_folder: str | Path, out: str | Path | None = None) -> Exported | None:
    """Write ``<run>/hf`` from the newest checkpoint unless it is there already; None if nothing was to do.

    For a finished run that is started again: an export of an older step is replaced, and what a killed attempt left
    is removed.
    """
    run_folder = Path(run_folder)
    out = run_folder / "hf" if out is None else Path(out)
    remove_partial(out)
    source = open_model(newest_in(run_folder))
    assert source.clock is not None, "checkpoints have a clock"
    if exported_batch(out) == source.clock.batch:
        return None
    exported = export_source(source, out, replace=True)
    log.info("exported %s to %s", source.path, out)
    return exported


def exported_batch(out: Path) -> int | None:
    """The training step of the export at ``out``, None if there is none."""
    file = out / RECORD
    if not file.is_file():
        return None
    record: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return record.get("batch")
