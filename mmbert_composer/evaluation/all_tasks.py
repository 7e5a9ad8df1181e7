"""Every task by its name, and what a choice of suites and names stands for."""

from collections.abc import Sequence

from mmbert_composer.errors import UserError, did_you_mean
from mmbert_composer.evaluation.task import Task
from mmbert_composer.evaluation.tasks.bitext import BITEXT
from mmbert_composer.evaluation.tasks.glue import GLUE
from mmbert_composer.evaluation.tasks.intrinsic import INTRINSIC
from mmbert_composer.evaluation.tasks.lowres import LOWRES
from mmbert_composer.evaluation.tasks.retrieval import RETRIEVAL, RETRIEVAL_PROBE
from mmbert_composer.evaluation.tasks.sib200 import SIB200
from mmbert_composer.evaluation.tasks.xquad_by_article import XQUAD_BY_ARTICLE
from mmbert_composer.evaluation.tasks.xtreme import STAGES, XTREME

TASKS: tuple[Task, ...] = (
    *GLUE,
    *XTREME,
    *BITEXT,
    *LOWRES,
    *SIB200,
    *XQUAD_BY_ARTICLE,
    *INTRINSIC,
    *RETRIEVAL,
    *RETRIEVAL_PROBE,
    *STAGES,
)
BY_NAME = {task.name: task for task in TASKS}

SUITES = tuple(dict.fromkeys(task.suite for task in TASKS))


def choose_tasks(suites: Sequence[str], names: Sequence[str] = ()) -> tuple[Task, ...]:
    """The tasks of ``suites``, of them those in ``names`` where any are given; all of these if no suite is."""
    for suite in suites:
        if suite not in SUITES:
            raise UserError(f"--suite: there is no {suite!r}; {did_you_mean(suite, SUITES)}")
    for name in names:
        if name not in BY_NAME:
            raise UserError(f"--tasks: there is no {name!r}; {did_you_mean(name, BY_NAME)}")
        if suites and BY_NAME[name].suite not in suites:
            raise UserError(f"--tasks: {name} is of the suite {BY_NAME[name].suite}; add it to --suite")
    if not suites and not names:
        raise UserError(f"eval: say what to run: --suite with some of {', '.join(SUITES)}, or --tasks")
    return tuple(task for task in TASKS if (not suites or task.suite in suites) and (not names or task.name in names))


def tuned_task(task: Task) -> Task:
    """The row whose training data makes the weights that ``task`` is scored with: itself, or the end of its chain."""
    while task.train is None and task.init_from is not None:
        task = BY_NAME[task.init_from]
    return task


def chain(task: Task) -> tuple[Task, ...]:
    """Every row that is tuned on for ``task``, the first first: SIQA, COPA for XCOPA."""
    rows: list[Task] = []
    step: Task | None = tuned_task(task)
    while step is not None:
        if step.train is not None:
            rows.append(step)
        step = BY_NAME[step.init_from] if step.init_from else None
    return tuple(reversed(rows))
