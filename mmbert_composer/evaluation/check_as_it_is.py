"""Checks of tasks that tune nothing: bitext and intrinsic. Their runners check what only a read can tell."""

import hashlib
from pathlib import Path

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.check_fine_tuned import Checked
from mmbert_composer.evaluation.intrinsic.run_intrinsic import check_intrinsic_data
from mmbert_composer.evaluation.run_bitext import bitext_languages, read_pairs
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Task


def check_bitext(task: Task, model: Path, data: Path | None, settings: Settings) -> Checked:
    """Check that every language's pairs are there; the hash is over them."""
    digest = hashlib.sha256()
    languages = bitext_languages(task, data, settings)
    for language in languages:
        pairs = read_pairs(task, task.test, language, data)
        digest.update("\n".join([language, *pairs.source, *pairs.target]).encode())
    return Checked(digest.hexdigest()[:16], languages=languages)


def check_intrinsic(task: Task, model: Path, data: Path | None, settings: Settings) -> Checked:
    """Check that there is text; the hash is over the files of the folder, of prepared data over its manifest."""
    if data is None:
        raise UserError(f"task {task.name}: --data DIR is needed: text with its language, or prepared data")
    manifest = data / "manifest.json"
    files = [manifest] if manifest.is_file() else sorted({*data.glob("*.jsonl"), *data.glob("*.jsonl.gz")})
    files = [data] if data.is_file() else files
    if not files:
        raise UserError(f"task {task.name}: {data} has neither *.jsonl(.gz) with text and language nor prepared data")
    check_intrinsic_data(task, data)
    if settings.trained_on is not None:
        files.append(settings.trained_on / "manifest.json")
    digest = hashlib.sha256()
    for path in files:
        if not path.is_file():
            raise UserError(f"task {task.name}: {path}: no such file")
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return Checked(digest.hexdigest()[:16])
