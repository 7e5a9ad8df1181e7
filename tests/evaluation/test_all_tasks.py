"""The rows: what a suite has, chains, and that every row says where it is from."""

import pytest

from mmbert_composer.evaluation.all_tasks import BY_NAME, SUITES, TASKS, chain, choose_tasks, tuned_task
from mmbert_composer.evaluation.oddities import ODDITIES, headline
from mmbert_composer.evaluation.run_suite import CHECKS, RUNNERS
from mmbert_composer.evaluation.task import FINE_TUNED_KINDS, KINDS


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_row_is_whole(task):
    assert task.kind in KINDS
    assert task.kind in RUNNERS
    assert task.kind in CHECKS
    assert task.source
    assert task.description
    assert set(task.oddities) <= set(ODDITIES)
    assert set(task.configs) <= set(task.languages)
    assert len(set(task.languages)) == len(task.languages)
    assert len(set(task.labels)) == len(task.labels)
    if task.kind in FINE_TUNED_KINDS:
        assert tuned_task(task).train is not None
        assert task.init_from is None or BY_NAME[task.init_from].kind == task.kind
        assert task.train is None or not task.languages or task.train_language in task.languages


def test_names_are_unique():
    assert len(BY_NAME) == len(TASKS)


def test_chains():
    assert [step.name for step in chain(BY_NAME["xcopa"])] == ["siqa", "copa"]
    assert [step.name for step in chain(BY_NAME["rte"])] == ["mnli", "rte"]
    assert [step.name for step in chain(BY_NAME["mlqa"])] == ["squad"]
    assert tuned_task(BY_NAME["xnli"]) is BY_NAME["mnli"]
    assert tuned_task(BY_NAME["mrpc"]) is BY_NAME["mrpc"]


GLUE = "mnli cola sst2 mrpc stsb qqp qnli rte"


def test_the_languages_that_the_paper_scores():
    counts = {"xnli": 15, "pawsx": 7, "xcopa": 11, "xquad": 11, "mlqa": 7, "tydiqa": 9, "wikiann": 40, "udpos": 33}
    assert {name: len(BY_NAME[name].languages) for name in counts} == counts
    assert "hi" not in BY_NAME["xquad"].languages
    assert [task.name for task in choose_tasks(["glue"])] == GLUE.split()
    assert "stages" in SUITES


def test_configs():
    assert BY_NAME["mlqa"].config_for("hi") == "MLQA.hi.hi"
    assert BY_NAME["udpos"].config_for("tl") == "udpos.Tagalog"
    assert BY_NAME["tydiqa"].config_for("te") == "tydiqa"
    assert BY_NAME["xquad"].config_for("ro") == "xquad.ro"


def test_headlines():
    assert headline(BY_NAME["qqp"], frozenset()) == "f1"
    assert headline(BY_NAME["qqp"], frozenset({"glue-f1"})) == "accuracy"
    assert headline(BY_NAME["udpos"], frozenset({"glue-f1"})) == "f1"
    assert headline(BY_NAME["udpos"], frozenset({"pos-first-letter"})) == "accuracy"
    assert headline(BY_NAME["stsb"], frozenset({"glue-f1"})) == "spearman"
