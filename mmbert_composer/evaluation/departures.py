"""What a run did otherwise than the task's row: said with the score, so that nobody compares unlike things."""

from mmbert_composer.evaluation.grid import limited
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Task


def departures(task: Task, tuned: Task, settings: Settings) -> list[str]:
    """Phrases for the note of a result of ``task``, whose weights are tuned by the row ``tuned``."""
    row = tuned.hyperparameters
    said = []
    if settings.protocol == "default":
        said += [f"lr {lr:g} in place of {row.lr:g}" for lr in settings.lrs if lr != row.lr]
        said += [f"epochs {epochs} in place of {row.epochs}" for epochs in settings.epochs if epochs != row.epochs]
    if limited(task.hyperparameters, settings) != task.hyperparameters:
        said.append(f"inputs cut to {settings.max_length} tokens in place of {task.hyperparameters.max_length}")
    if settings.max_train_examples is not None:
        said.append(f"tuned on {settings.max_train_examples} rows at most")
    if task.kind == "tagging" and settings.word_join == "space":
        said.append("words joined by spaces")
    said += [f"mended: {name}" for name in sorted(settings.mend.intersection(task.oddities))]
    return said
