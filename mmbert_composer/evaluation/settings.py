"""What holds for every task of one evaluation."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmbert_composer.evaluation.task import Task


@dataclass(frozen=True)
class Settings:
    """How a model is evaluated: the options of ``mmbert eval run``.

    A runner gets them with the task, the model's folder and the data's folder (None: the hub).
    """

    folder: Path
    """Where the results of this model are written; what is kept between runs is below it too."""
    model_hash: str = ""
    """Of weights, configuration and tokenizer."""
    tasks: tuple[Task, ...] = ()
    """All tasks of this run: what is tuned for one of them may serve others."""
    seeds: tuple[int, ...] | None = None
    """None: those of each task's row."""
    languages: tuple[str, ...] | None = None
    """Score these languages alone; None: all of each task's row."""
    protocol: str = "default"
    """``default``: the row's hyper-parameters. ``swept``: the best of a grid, chosen on the scored split."""
    lrs: tuple[float, ...] = ()
    """In place of the row's learning rate, or of the grid's."""
    epochs: tuple[int, ...] = ()
    """In place of the row's epochs, or of the grid's."""
    max_length: int | None = None
    """No task gets longer input, in tokens."""
    max_train_examples: int | None = None
    """Tune on the first so many rows: to try things out."""
    word_join: str = "split"
    """Tagging: ``split`` tokenizes word by word, ``space`` the sentence joined by spaces."""
    mend: frozenset[str] = frozenset()
    """Names of oddities of the paper's protocol that are not to be reproduced."""
    benchmark_tasks: tuple[str, ...] = ()
    """Retrieval: these tasks of the benchmarks alone."""
    trained_on: Path | None = None
    """Prepared data that the model was trained on, to say what of the text is not held out; None: the run's own."""
    device: str = "cpu"
    precision: str = "fp32"
    """``fp32`` as in the paper, or ``bf16``."""
    trust_remote_code: bool = False
    say: Callable[[str], None] = print
    """Gets lines of progress."""
