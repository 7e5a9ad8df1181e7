"""XQuAD where there is no SQuAD to tune on: three of four English articles train, the fourth is scored everywhere."""

from mmbert_composer.evaluation.task import Hyperparameters, Task
from mmbert_composer.evaluation.tasks.xtreme import SPAN_COLUMNS

XQUAD_BY_ARTICLE = (
    Task(
        name="xquad_by_article",
        suite="xquad",
        kind="span",
        metric="f1",
        description="tuned on 36 of XQuAD's 48 English articles, scored on the other 12 in every language found",
        source="google/xquad files; hyper-parameters of the SQuAD stage, more epochs for 1 % of the questions",
        hub="google/xquad",
        config="xquad.{language}",
        flat="xquad",
        train="train",
        test="test",
        text=SPAN_COLUMNS,
        label="answers",
        languages=(),
        hyperparameters=Hyperparameters(
            lr=3e-5, epochs=10, batch_size=16, warmup_ratio=0.06, weight_decay=1e-4, max_length=384, stride=128
        ),
        note="tuned on a part of English XQuAD by article and not on SQuAD: "
        "lower than published XQuAD and not to be compared with it",
    ),
)
