"""A route task: reads its units of input into one sorted spill, with a ledger of what it kept and dropped."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

from mmbert_composer.data.inputs.document import Document, Skipped
from mmbert_composer.data.inputs.spec import read_unit
from mmbert_composer.data.inputs.token_rules import TokenRules
from mmbert_composer.data.inputs.unit import InputUnit
from mmbert_composer.data.ledger import Ledger
from mmbert_composer.data.preparing.job_plan import RouteTask, expansion
from mmbert_composer.data.preparing.spill_writer import SpillWriter
from mmbert_composer.errors import UserError

DONE_NAME = "done.json"
"""In the folder of a finished route task or pack unit: its counts."""

PROGRESS_BYTES = 4 << 20

OnProgress = Callable[[int, int], None]
"""Hears how many bytes and tokens are done since it was called last."""


def route(task: RouteTask, rules: TokenRules, folder: Path, on_progress: OnProgress) -> None:
    """Read the task's units into a spill in ``folder``; ``rules`` are the tokenizer's.

    Raises UserError for damaged and for changed input.
    """
    ledger, spill = Ledger(), SpillWriter(folder)
    sizes, licences, origins = Counter[str](), defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for planned, unit in task.units:
        check_unchanged(unit)
        found = reported = 0
        for record in read_unit(unit, planned.options, rules):
            ledger.count(record)
            if isinstance(record, Skipped):
                continue
            size = spill.add(record) if isinstance(record, Document) else spill.add_tokens(record)
            sizes[record.stream] += size
            licences[record.stream].add(planned.licence)
            origins[record.stream].add(planned.options.origin)
            found += size
            # Readers do not say where in their file they are: the text that came out of it is a good guess.
            if (done := min(found // expansion(unit), unit.size)) - reported >= PROGRESS_BYTES:
                on_progress(done - reported, 0)
                reported = done
        on_progress(unit.size - reported, 0)
    spill.finish()
    streams = {
        name: {
            "documents": documents,
            "bytes": sizes[name],
            "licences": sorted(licences[name] - {""}),
            "origins": sorted(origins[name] - {""}),
        }
        for name, documents in sorted(ledger.kept.items())
    }
    content = {"ledger": ledger.state(), "streams": streams}
    (folder / DONE_NAME).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def check_unchanged(unit: InputUnit) -> None:
    """Raise UserError when a file of this machine is no longer what the plan froze."""
    path = Path(unit.path)
    _, has_date, date = unit.identity.partition("mtime_ns ")
    if has_date and path.is_file() and date != str(path.stat().st_mtime_ns):
        raise UserError(f"{path} changed after it was planned: put it back, or plan again")
