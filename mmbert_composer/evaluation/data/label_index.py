"""Labels of rows as numbers: datasets hold names or numbers."""

from typing import Any

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.task import Task


def label_index(task: Task, value: Any, where: str) -> int:
    """The number of a label that is given by its name or its number; ``where`` is for the error's message.

    Names that are numerals count as names: SIQA's "1" is its first label.
    """
    labels = task.labels
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise UserError(f"task {task.name}: {where}: label {value!r}; {_known(task)}")
    if str(value) in labels:
        return labels.index(str(value))
    if isinstance(value, int) and 0 <= value < len(labels) and not all(label.isdigit() for label in labels):
        return value
    raise UserError(f"task {task.name}: {where}: label {value!r} is not in the map; {_known(task)}")


def _known(task: Task) -> str:
    if all(label.isdigit() for label in task.labels):
        return f"known are {', '.join(task.labels)}"
    return "known are " + ", ".join(f"{number} {name}" for number, name in enumerate(task.labels))
