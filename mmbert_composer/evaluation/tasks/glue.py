"""GLUE as mmBERT ran it: eight tasks on the validation split, three of them from the MNLI weights."""

from dataclasses import replace

from mmbert_composer.evaluation.task import Hyperparameters, Task

SOURCE = (
    "izhx/nlu-evals b8193ba scripts/glue.sh (mmBERT's fork: orionw/nlu-evals 660515a); mmBERT appendix B for the grid"
)
HYPERPARAMETERS = Hyperparameters(lr=2e-5, epochs=3, batch_size=32, warmup_ratio=0.06, max_length=128)

_BASE = Task(
    name="",
    suite="glue",
    kind="sequence",
    metric="accuracy",
    source=SOURCE,
    hub="nyu-mll/glue",
    hyperparameters=HYPERPARAMETERS,
)

GLUE = (
    replace(
        _BASE,
        name="mnli",
        description="entailment, matched validation",
        config="mnli",
        test="validation_matched",
        text=("premise", "hypothesis"),
        labels=("entailment", "neutral", "contradiction"),
    ),
    replace(
        _BASE,
        name="cola",
        description="is a sentence acceptable English",
        config="cola",
        text=("sentence",),
        labels=("unacceptable", "acceptable"),
        metric="matthews",
    ),
    replace(
        _BASE,
        name="sst2",
        description="sentiment of film reviews",
        config="sst2",
        text=("sentence",),
        labels=("negative", "positive"),
    ),
    replace(
        _BASE,
        name="mrpc",
        description="paraphrase",
        config="mrpc",
        text=("sentence1", "sentence2"),
        labels=("not_equivalent", "equivalent"),
        metric="f1",
        init_from="mnli",
        oddities=("glue-f1",),
    ),
    replace(
        _BASE,
        name="stsb",
        description="similarity from 0 to 5, Spearman",
        config="stsb",
        text=("sentence1", "sentence2"),
        metric="spearman",
        init_from="mnli",
    ),
    replace(
        _BASE,
        name="qqp",
        description="duplicate questions",
        config="qqp",
        text=("question1", "question2"),
        labels=("not_duplicate", "duplicate"),
        metric="f1",
        oddities=("glue-f1",),
    ),
    replace(
        _BASE,
        name="qnli",
        description="does a sentence answer a question",
        config="qnli",
        text=("question", "sentence"),
        labels=("entailment", "not_entailment"),
    ),
    replace(
        _BASE,
        name="rte",
        description="entailment, 2,490 examples",
        config="rte",
        text=("sentence1", "sentence2"),
        labels=("entailment", "not_entailment"),
        init_from="mnli",
    ),
)
