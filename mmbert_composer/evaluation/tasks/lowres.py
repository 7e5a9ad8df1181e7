"""Question answering in Tigrinya and Faroese, each by two protocols: the papers do not say which they used."""

from mmbert_composer.evaluation.task import Hyperparameters, Task
from mmbert_composer.evaluation.tasks.xtreme import SPAN_COLUMNS, SPANS

EUROEVAL = Hyperparameters(
    lr=2e-5, batch_size=32, max_length=384, stride=128, max_steps=10_000, warmup_steps=100, eval_every=30, patience=2
)
ZERO_SHOT = "tuned on English SQuAD alone"

LOWRES = (
    Task(
        name="tiquad_zs",
        suite="lowres",
        kind="span",
        metric="f1",
        description="Tigrinya, zero-shot from SQuAD: the level of the published figures",
        source="fgaim/tiquad's README (validation; the test split is private); SQuAD stage as in xtreme",
        hub="fgaim/tiquad",
        config="default",
        revision="~parquet",
        train=None,
        text=SPAN_COLUMNS,
        label="answers",
        languages=("ti",),
        init_from="squad",
        hyperparameters=SPANS,
        note=ZERO_SHOT,
    ),
    Task(
        name="tiquad",
        suite="lowres",
        kind="span",
        metric="f1",
        description="Tigrinya, tuned on its own train split",
        source="fgaim/tiquad; hyper-parameters of the SQuAD stage",
        hub="fgaim/tiquad",
        config="default",
        revision="~parquet",
        text=SPAN_COLUMNS,
        label="answers",
        languages=("ti",),
        train_language="ti",
        hyperparameters=SPANS,
        note="tuned on Tigrinya; the published figures are at the level of zero-shot",
    ),
    Task(
        name="foqa_zs",
        suite="lowres",
        kind="span",
        metric="f1",
        description="Faroese, zero-shot from SQuAD",
        source="alexandrainst/foqa; SQuAD stage as in xtreme",
        hub="alexandrainst/foqa",
        config="default",
        train=None,
        test="test",
        text=SPAN_COLUMNS,
        label="answers",
        languages=("fo",),
        init_from="squad",
        hyperparameters=SPANS,
        note=ZERO_SHOT,
    ),
    Task(
        name="foqa",
        suite="lowres",
        kind="span",
        metric="f1",
        description="Faroese by EuroEval's protocol: early stop, ten bootstrapped rounds",
        source="EuroEval: lr 2e-5, batch 32, at most 10,000 steps, loss every 30, patience 2, seeds 4242 to 4251",
        hub="alexandrainst/foqa",
        config="default",
        dev="val",
        test="test",
        text=SPAN_COLUMNS,
        label="answers",
        languages=("fo",),
        train_language="fo",
        hyperparameters=EUROEVAL,
        seeds=tuple(range(4242, 4252)),
        bootstrap=True,
    ),
)
