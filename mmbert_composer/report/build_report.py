"""``<run>/report.html`` from what a run has written so far."""

import os
import tempfile
from pathlib import Path

from mmbert_composer.errors import UserError
from mmbert_composer.report.page import page
from mmbert_composer.report.read_run import read_run
from mmbert_composer.report.stream_rows import stream_rows


def build_report(run_folder: str | Path) -> Path:
    """Write ``report.html`` into the run folder and return its path; a run still going on will do.

    The file is complete or not there: it is written beside and renamed.

    Raises:
        UserError: the folder is no run (no metrics.jsonl, no plan.json), named in the message.
    """
    folder = Path(run_folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name the save_folder of a run")
    run = read_run(folder)
    html = page(run, stream_rows(run))
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".report-", suffix=".html")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(html)
        os.chmod(temporary, 0o644)
        os.replace(temporary, folder / "report.html")
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return folder / "report.html"
