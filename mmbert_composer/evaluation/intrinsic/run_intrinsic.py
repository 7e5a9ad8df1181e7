"""The tasks of kind ``intrinsic``: what is measured of a model as it is, on any text that is at hand."""

from collections.abc import Callable, Mapping
from pathlib import Path

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.intrinsic.measure_language_id import measure_language_id
from mmbert_composer.evaluation.intrinsic.measure_masked_loss import measure_masked_loss
from mmbert_composer.evaluation.intrinsic.measure_verse_retrieval import measure_verse_retrieval
from mmbert_composer.evaluation.result_file import Result
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Task

MEASURES: Mapping[str, Callable[[Task, Path, Path, Settings], Result]] = {
    "masked_loss": measure_masked_loss,
    "verse_retrieval": measure_verse_retrieval,
    "language_id": measure_language_id,
}
"""A task's name to its function."""


def run_intrinsic(task: Task, model_folder: Path, data: Path | None, settings: Settings) -> Result:
    """Measure what ``task.name`` says on ``data``: a folder (or a file) of JSON lines, or prepared data.

    Raises UserError for data without what the task needs, and a model without a masked-LM head where it needs one.
    """
    if data is None:
        raise UserError(f"{task.name}: --data DIR is needed, with *.jsonl(.gz) of text and language, or prepared data")
    return MEASURES[task.name](task, model_folder, Path(data), settings)
