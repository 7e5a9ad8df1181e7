"""Merging a run's own last checkpoints into ``<run>/merged``, as often as asked and once done.

Nothing here knows of a trainer: the callback calls it at the end of training, a restarted finished run and
``mmbert merge RUN`` call it with the files alone.
"""

import json
import logging
from pathlib import Path
from typing import Any

from mmbert_composer.checkpoints.list_checkpoints import newest_checkpoint
from mmbert_composer.checkpoints.run_folder import RunFolder
from mmbert_composer.export.atomic_folder import remove_partial
from mmbert_composer.export.model_source import open_model
from mmbert_composer.merging.check_sources import check_sources
from mmbert_composer.merging.explain_merge import EXPLANATION
from mmbert_composer.merging.merge_models import RECORD, Merged, merge_sources, short_name
from mmbert_composer.merging.run_merge import RunMerge, base_path, merged_files

log = logging.getLogger(__name__)


def merge_run(run_folder: str | Path, settings: RunMerge, *, out: str | Path | None = None) -> Merged | None:
    """Write the merge of ``run_folder`` to ``out`` (default ``<run>/merged``); None if it is there already.

    An earlier merge with other settings or of other checkpoints is replaced, half-written ones are removed.
    The result has the rotary bases of the newest checkpoint merged.
    """
    run = RunFolder(Path(run_folder))
    out = run.path / "merged" if out is None else Path(out)
    remove_partial(out)
    asked = settings.request()
    if _is_done(run, out, settings, asked):
        return None
    base = base_path(run, settings)
    models = merged_files(run, settings, base)
    sources = [open_model(path) for path in models]
    origin = None if base is None else open_model(base)
    check_sources(sources, origin)
    if len({source.files.rope_theta for source in sources}) > 1:
        log.warning("merge: the checkpoints span a change of RoPE theta; the result keeps the newest's")
    if settings.method.row.most is not None or settings.method.weights is not None:
        settings.method.check_count(len(models))
    merged = merge_sources(
        sources,
        out,
        settings.method,
        origin=origin,
        run=run,
        settings=asked,
        doubt_base=settings.base is not None,
        replace_earlier=True,
        explain=settings.explain,
    )
    log.info("merged %s by %s into %s", ", ".join(path.name for path in models), settings.method.method, out)
    return merged


def _is_done(run: RunFolder, out: Path, settings: RunMerge, asked: dict[str, Any]) -> bool:
    """Whether ``out`` holds this merge; older checkpoints may have been deleted since, a newer one undoes it."""
    file = out / RECORD
    if not file.is_file():
        return False
    record = json.loads(file.read_text(encoding="utf-8"))
    if record["settings"] != asked or (settings.explain and not (out / EXPLANATION).is_file()):
        return False
    newest = newest_checkpoint(run.path)
    return bool(settings.models) or newest is None or record["inputs"][-1]["name"] == short_name(newest.path, run)
